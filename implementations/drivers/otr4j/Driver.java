import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

import net.java.otr4j.OtrException;

/**
 * The driver of otr4j: the driver protocol. Requests arrive on standard input, one per line, and are answered on
 * standard output. The OTR part is in Party.java.
 *
 * An unchecked exception of the library is answered with error -32002. An Error, such as a stack overflow, ends the
 * process: if the library crashes, the harness must see the crash.
 */
public final class Driver {
    /** The implementation can't do this. */
    static final class Unsupported extends RuntimeException {
        Unsupported(String what) {
            super(what);
        }
    }

    /** The request is not valid. */
    private static final class Refused extends Exception {
        final int code;

        Refused(int code, String message) {
            super(message);
            this.code = code;
        }
    }

    private static final Object HELLO = Map.of(
            "protocol", 2, "name", "otr4j", "version", System.getProperty("otr4j.version", "unknown"),
            "otr_versions", List.of(2, 3), "randomness", "seed",
            "capabilities", List.of("v2", "v3", "smp", "smp_question", "smp_abort", "fragmentation_out", "policy",
                    "whitespace_tag"));

    private final Map<String, Party> parties = new HashMap<>();

    private Object call(String method, Map<?, ?> params) throws Refused, OtrException {
        switch (method) {
            case "hello":
                return HELLO;
            case "create":
                Party created = new Party(params);
                parties.put((String) params.get("party"), created);
                return created.told();
            case "close":
                parties.remove((String) params.get("party"));
                return Map.of();
            case "reset":
                parties.clear();
                return Map.of();
            case "shutdown":
                return Map.of();
            default:
        }
        if (!Party.ACTIONS.contains(method)) {
            throw new Refused(-32601, "no method " + method);
        }
        Party party = parties.get((String) params.get("party"));
        if (party == null) {
            throw new Refused(-32602, "there is no party " + params.get("party"));
        }
        return Map.of("events", party.act(method, params));
    }

    /** The answer to a request. */
    private Map<String, Object> answer(String line) {
        Map<String, Object> answer = new HashMap<>();
        answer.put("jsonrpc", "2.0");
        answer.put("id", null);
        try {
            Map<?, ?> request = (Map<?, ?>) Json.parse(line);
            answer.put("id", request.get("id"));
            Object params = request.get("params");
            answer.put("result", call((String) request.get("method"), params == null ? Map.of() : (Map<?, ?>) params));
        } catch (Unsupported error) {
            answer.put("error", Map.of("code", -32001, "message", error.getMessage()));
        } catch (Refused error) {
            answer.put("error", Map.of("code", error.code, "message", error.getMessage()));
        } catch (OtrException | RuntimeException error) {
            error.printStackTrace();
            String message = error.getClass().getSimpleName() + ": " + error.getMessage();
            answer.put("error", Map.of("code", -32002, "message", message));
        }
        return answer;
    }

    public static void main(String[] arguments) throws IOException {
        Tape.install();
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        System.setOut(System.err); // only the protocol may use standard output
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Driver driver = new Driver();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            out.print(Json.write(driver.answer(line)) + "\n");
            out.flush();
            if (line.contains("\"method\":\"shutdown\"")) {
                return;
            }
        }
    }
}
