import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The JSON that a driver needs: a reader for requests and a writer for answers. There is nothing to fill in here.
 *
 * <p>Values are Map, List, String, Long, Boolean and null. The protocol has only whole numbers.
 */
final class Json {
    private final String line;
    private int at = 0;

    private Json(String line) {
        this.line = line;
    }

    /** The value in a line. IllegalArgumentException unless there is exactly one. */
    static Object read(String line) {
        Json in = new Json(line);
        Object value = in.value();
        in.skipBlanks();
        if (in.at != line.length()) throw in.wrong();
        return value;
    }

    private IllegalArgumentException wrong() {
        return new IllegalArgumentException("not JSON at character " + at);
    }

    private void skipBlanks() {
        while (at < line.length() && " \t\r\n".indexOf(line.charAt(at)) >= 0) at++;
    }

    /** Whether the next non-blank character is this one; if so, it is skipped. */
    private boolean nextIs(char wanted) {
        skipBlanks();
        if (at == line.length() || line.charAt(at) != wanted) return false;
        at++;
        return true;
    }

    private void expect(boolean there) {
        if (!there) throw wrong();
    }

    private boolean word(String word) {
        if (!line.startsWith(word, at)) return false;
        at += word.length();
        return true;
    }

    private Object value() {
        if (nextIs('{')) return object();
        if (nextIs('[')) return list();
        if (nextIs('"')) return string();
        if (word("null")) return null;
        if (word("true")) return true;
        if (word("false")) return false;
        return number();
    }

    private Map<String, Object> object() {
        Map<String, Object> members = new LinkedHashMap<>();
        if (nextIs('}')) return members;
        do {
            expect(nextIs('"'));
            String name = string();
            expect(nextIs(':'));
            members.put(name, value());
        } while (nextIs(','));
        expect(nextIs('}'));
        return members;
    }

    private List<Object> list() {
        List<Object> items = new ArrayList<>();
        if (nextIs(']')) return items;
        do {
            items.add(value());
        } while (nextIs(','));
        expect(nextIs(']'));
        return items;
    }

    /** The rest of a string, after its opening quote. */
    private String string() {
        StringBuilder text = new StringBuilder();
        while (at < line.length()) {
            char one = line.charAt(at++);
            if (one == '"') return text.toString();
            expect(one >= ' ');
            text.append(one == '\\' ? escape() : one);
        }
        throw wrong();
    }

    private char escape() {
        expect(at < line.length());
        char name = line.charAt(at++);
        if (name != 'u') {
            int known = "\"\\/bfnrt".indexOf(name);
            expect(known >= 0);
            return "\"\\/\b\f\n\r\t".charAt(known);
        }
        int code = 0;
        for (int i = 0; i < 4; i++) {
            expect(at < line.length());
            int digit = Character.digit(line.charAt(at++), 16);
            expect(digit >= 0);
            code = code * 16 + digit;
        }
        return (char) code;
    }

    private Long number() {
        int begin = at;
        while (at < line.length() && "-0123456789".indexOf(line.charAt(at)) >= 0) at++;
        return Long.valueOf(line.substring(begin, at));
    }

    /** A value as JSON: printable ASCII, and escapes for everything else. Numbers are Long or Integer. */
    static String write(Object value) {
        StringBuilder out = new StringBuilder();
        put(out, value);
        return out.toString();
    }

    private static void put(StringBuilder out, Object value) {
        if (value instanceof Map<?, ?> members) {
            String before = "{";
            for (Map.Entry<?, ?> member : members.entrySet()) {
                out.append(before);
                putString(out, (String) member.getKey());
                out.append(':');
                put(out, member.getValue());
                before = ",";
            }
            out.append(members.isEmpty() ? "{}" : "}");
        } else if (value instanceof List<?> items) {
            String before = "[";
            for (Object item : items) {
                out.append(before);
                put(out, item);
                before = ",";
            }
            out.append(items.isEmpty() ? "[]" : "]");
        } else if (value instanceof String text) {
            putString(out, text);
        } else {
            out.append(value); // a number, true, false or null
        }
    }

    private static void putString(StringBuilder out, String text) {
        out.append('"');
        for (char one : text.toCharArray()) {
            if (one < ' ' || one > '~' || one == '"' || one == '\\') {
                out.append(String.format("\\u%04x", (int) one));
            } else {
                out.append(one);
            }
        }
        out.append('"');
    }
}
