import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The JSON that the driver protocol needs, because the JDK has none: objects become maps, arrays become lists, whole
 * numbers become longs. Everything outside ASCII is written as escapes.
 */
final class Json {
    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /** The value in a text. IllegalArgumentException if it is not JSON. */
    static Object parse(String text) {
        Json json = new Json(text);
        Object value = json.value();
        json.blanks();
        if (json.at < text.length()) {
            throw json.wrong();
        }
        return value;
    }

    /** The bytes of a string that has one character, U+0000 to U+00FF, for each byte. */
    static byte[] bytes(Object value) {
        String string = (String) value;
        if (string.chars().anyMatch(c -> c > 0xFF)) {
            throw new IllegalArgumentException("a character is no byte (U+0000 to U+00FF)");
        }
        return string.getBytes(StandardCharsets.ISO_8859_1);
    }

    private IllegalArgumentException wrong() {
        return new IllegalArgumentException("no JSON at character " + at);
    }

    private void blanks() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    /** The next non-blank character, which is not consumed. */
    private char next() {
        blanks();
        if (at == text.length()) {
            throw wrong();
        }
        return text.charAt(at);
    }

    private void take(String expected) {
        if (!text.startsWith(expected, at)) {
            throw wrong();
        }
        at += expected.length();
    }

    private <T> T word(String word, T value) {
        take(word);
        return value;
    }

    private Object value() {
        switch (next()) {
            case '{':
                return object();
            case '[':
                return array();
            case '"':
                return string();
            case 't':
                return word("true", Boolean.TRUE);
            case 'f':
                return word("false", Boolean.FALSE);
            case 'n':
                return word("null", null);
            default:
                return number();
        }
    }

    private Map<String, Object> object() {
        Map<String, Object> object = new LinkedHashMap<>();
        take("{");
        if (next() == '}') {
            at++;
            return object;
        }
        while (true) {
            next();
            String name = string();
            next();
            take(":");
            object.put(name, value());
            if (next() == '}') {
                at++;
                return object;
            }
            take(",");
        }
    }

    private List<Object> array() {
        List<Object> array = new ArrayList<>();
        take("[");
        if (next() == ']') {
            at++;
            return array;
        }
        while (true) {
            array.add(value());
            if (next() == ']') {
                at++;
                return array;
            }
            take(",");
        }
    }

    private Long number() {
        int from = at;
        while (at < text.length() && "-0123456789".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        return Long.valueOf(text.substring(from, at));
    }

    private String string() {
        StringBuilder out = new StringBuilder();
        take("\"");
        while (at < text.length() && text.charAt(at) != '"') {
            char c = text.charAt(at++);
            out.append(c == '\\' ? escaped() : c);
        }
        take("\"");
        return out.toString();
    }

    private char escaped() {
        if (at == text.length()) {
            throw wrong();
        }
        char c = text.charAt(at++);
        int known = "\"\\/bfnrt".indexOf(c);
        if (known >= 0) {
            return "\"\\/\b\f\n\r\t".charAt(known);
        }
        if (c != 'u' || at + 4 > text.length()) {
            throw wrong();
        }
        at += 4;
        return (char) Integer.parseInt(text.substring(at - 4, at), 16);
    }

    /** A value as JSON. */
    static String write(Object value) {
        StringBuilder out = new StringBuilder();
        write(value, out);
        return out.toString();
    }

    private static void write(Object value, StringBuilder out) {
        if (value instanceof Map) {
            String separator = "{";
            for (Map.Entry<?, ?> member : ((Map<?, ?>) value).entrySet()) {
                out.append(separator);
                write(member.getKey(), out);
                out.append(':');
                write(member.getValue(), out);
                separator = ",";
            }
            out.append(separator.equals("{") ? "{}" : "}");
        } else if (value instanceof List) {
            String separator = "[";
            for (Object one : (List<?>) value) {
                out.append(separator);
                write(one, out);
                separator = ",";
            }
            out.append(separator.equals("[") ? "[]" : "]");
        } else if (value instanceof String) {
            out.append('"');
            for (char c : ((String) value).toCharArray()) {
                if (c < ' ' || c > '~' || c == '"' || c == '\\') {
                    out.append(String.format("\\u%04x", (int) c));
                } else {
                    out.append(c);
                }
            }
            out.append('"');
        } else {
            out.append(value);
        }
    }
}
