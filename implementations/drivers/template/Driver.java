import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A driver template for an implementation in Java. Copy this file and Json.java, fill in the places marked TODO, and run
 * it:
 *
 * <pre>
 *     javac -d build Driver.java Json.java
 *     otterproof check 'exec:java -cp build Driver'
 * </pre>
 *
 * It needs only Java 17 and its standard library. As it stands, it answers every action with "unsupported".
 * docs/reference/driver-protocol.md explains each method and event.
 */
final class Driver {
    private static final int UNSUPPORTED = -32001, LIBRARY_FAILED = -32002;
    private static final int METHOD_NOT_FOUND = -32601, INVALID_PARAMS = -32602;

    /** The implementation can't do what was asked, or can't have a given value. */
    private static final class Unsupported extends Exception {
        Unsupported(String what) {
            super("it can't " + what);
        }
    }

    /** The request is not valid: a mistake of the harness. */
    private static final class Invalid extends Exception {
        Invalid(String what) {
            super(what);
        }
    }

    /** The bytes of a message, text, question, secret or data: each character, U+0000 to U+00FF, is one byte. */
    static byte[] bytes(String text) throws Invalid {
        if (text.chars().anyMatch(one -> one > 0xFF)) throw new Invalid("a character above U+00FF is no byte");
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }

    static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.ISO_8859_1);
    }

    /** An ssid, fingerprint or key. */
    static String hex(byte[] bytes) {
        return java.util.HexFormat.of().formatHex(bytes);
    }

    /** One local account with one correspondent. Parties are independent of each other. */
    private static final class Party {
        List<Object> events = new ArrayList<>();

        Party(Map<String, Object> params) throws Exception {
            // TODO: set up the implementation. Use the given long-term key, so that fingerprints stay the same:
            //   Map<?, ?> key = (Map<?, ?>) params.get("key");
            //   BigInteger p = new BigInteger((String) key.get("p"), 16);   (and q, g, y, x)
            // Apply "policy" (a List of Strings), "instance_tag", "max_message_size" and "heartbeat_interval" (Long or
            // null) as far as the implementation can. If "seed" is not null and you can seed the random generator, do so
            // and set "randomness" below to "seed": then runs are repeatable. Throw Unsupported for a value it can't have.
        }

        Map<String, Object> created() {
            // TODO: our own instance tag (null if there is none), and the fingerprint of our own key.
            return fields("instance_tag", null, "fingerprint", "00".repeat(20));
        }

        /** Report an event with all its fields: names and values in turn. A field that is not told is null. */
        void emit(String event, Object... fields) {
            Map<String, Object> told = fields("event", event);
            told.putAll(fields(fields));
            events.add(told);
        }

        // Each action passes its arguments on and reports what happens. The most important event is
        //   emit("outgoing_message", "message", text(message));
        // for each message to transmit. If the implementation refuses something with an exception, catch it and report
        // an event: message_rejected or message_unreadable for a received message, and for a user action
        //   emit("action_refused", "action", "send", "reason", null);
        // Do not catch other exceptions: they are reported as errors of the implementation.

        void receive(String message) throws Exception {
            // TODO: pass bytes(message) to the implementation. An example event:
            //   emit("text_received", "text", text(bytes), "secure", true, "warn", false, "instance", tag);
            throw new Unsupported("receive");
        }

        // An argument that was left out is null.

        void send(String text, Long padding, Long instance) throws Exception {
            throw new Unsupported("send"); // TODO
        }

        void start() throws Exception {
            throw new Unsupported("start"); // TODO
        }

        void end(Long instance) throws Exception {
            throw new Unsupported("end"); // TODO
        }

        void smpStart(String secret, String question, Long instance) throws Exception {
            throw new Unsupported("smp_start"); // TODO
        }

        void smpAnswer(String secret, Long instance) throws Exception {
            throw new Unsupported("smp_answer"); // TODO
        }

        void smpAbort(Long instance) throws Exception {
            throw new Unsupported("smp_abort"); // TODO
        }

        void extraKey(Long use, String data, Long instance) throws Exception {
            throw new Unsupported("extra_key"); // TODO; data may be null
        }

        void setPolicy(List<?> policy) throws Exception {
            throw new Unsupported("set_policy"); // TODO
        }

        void setTime(Long now) throws Exception {
            throw new Unsupported("set_time"); // TODO; called only if the driver claims "time"
        }
    }

    private static Map<String, Object> hello() {
        return fields(
                "protocol", 2,
                "name", "template", // TODO
                "version", "0", // TODO: the version that the implementation reports
                "otr_versions", List.of(2, 3), // TODO
                "capabilities", List.of(), // TODO: "v2", "v3", "smp", ...; what you list here is judged
                "randomness", "none");
    }

    // ---- the protocol: nothing to fill in from here on -------------------------------------------------------------

    private static final Map<String, Party> PARTIES = new HashMap<>();

    private static Map<String, Object> fields(Object... namesAndValues) {
        Map<String, Object> made = new LinkedHashMap<>();
        for (int i = 0; i < namesAndValues.length; i += 2) made.put((String) namesAndValues[i], namesAndValues[i + 1]);
        return made;
    }

    private static Party party(Map<String, Object> params) throws Invalid {
        Party party = PARTIES.get(params.get("party"));
        if (party == null) throw new Invalid("no such party; create it first");
        return party;
    }

    private interface Action {
        void run(Party party) throws Exception;
    }

    private static Object act(Map<String, Object> params, Action action) throws Exception {
        Party party = party(params);
        party.events = new ArrayList<>();
        action.run(party);
        return fields("events", party.events);
    }

    /** The result of a method; null if the method is unknown. */
    private static Object result(String method, Map<String, Object> params) throws Exception {
        Long instance = (Long) params.get("instance");
        String secret = (String) params.get("secret");
        switch (method) {
            case "hello":
                return hello();
            case "create":
                Party made = new Party(params);
                PARTIES.put((String) params.get("party"), made);
                return made.created();
            case "close":
                party(params);
                PARTIES.remove(params.get("party"));
                return fields();
            case "reset":
                PARTIES.clear();
                return fields();
            case "shutdown":
                return fields();
            case "receive":
                return act(params, party -> party.receive((String) params.get("message")));
            case "send":
                String text = (String) params.get("text");
                return act(params, party -> party.send(text, (Long) params.get("padding"), instance));
            case "start":
                return act(params, Party::start);
            case "end":
                return act(params, party -> party.end(instance));
            case "smp_start":
                return act(params, party -> party.smpStart(secret, (String) params.get("question"), instance));
            case "smp_answer":
                return act(params, party -> party.smpAnswer(secret, instance));
            case "smp_abort":
                return act(params, party -> party.smpAbort(instance));
            case "extra_key":
                String data = (String) params.get("data");
                return act(params, party -> party.extraKey((Long) params.get("use"), data, instance));
            case "set_policy":
                return act(params, party -> party.setPolicy((List<?>) params.get("policy")));
            case "set_time":
                return act(params, party -> party.setTime((Long) params.get("now")));
            default:
                return null;
        }
    }

    private static Map<String, Object> error(int code, String message) {
        return fields("error", fields("code", code, "message", message));
    }

    /** The part of an answer that depends on the method: a result or an error. */
    private static Map<String, Object> answer(String method, Map<String, Object> params) {
        try {
            Object result = result(method, params);
            return result == null ? error(METHOD_NOT_FOUND, "no method " + method) : fields("result", result);
        } catch (Unsupported error) {
            return error(UNSUPPORTED, error.getMessage());
        } catch (Invalid error) {
            return error(INVALID_PARAMS, error.getMessage());
        } catch (Exception error) { // report what the implementation throws; an Error passes through and is a crash
            error.printStackTrace();
            return error(LIBRARY_FAILED, error.getClass().getSimpleName() + ": " + error.getMessage());
        }
    }

    public static void main(String[] args) throws IOException {
        // Only the protocol may use standard output; everything else that prints goes to standard error.
        OutputStream answers = new FileOutputStream(FileDescriptor.out);
        System.setOut(System.err);
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = requests.readLine()) != null; ) {
            Map<String, Object> request = asObject(Json.read(line));
            String method = (String) request.get("method");
            Map<String, Object> reply = fields("jsonrpc", "2.0", "id", request.get("id"));
            reply.putAll(answer(method, asObject(request.getOrDefault("params", fields()))));
            answers.write((Json.write(reply) + "\n").getBytes(StandardCharsets.US_ASCII));
            if (method.equals("shutdown")) return;
        }
    }

    @SuppressWarnings("unchecked") // the keys of a JSON object are strings
    private static Map<String, Object> asObject(Object value) {
        return (Map<String, Object>) value;
    }
}
