import static java.util.stream.Collectors.toList;

import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.PublicKey;
import java.security.spec.DSAPrivateKeySpec;
import java.security.spec.DSAPublicKeySpec;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

import net.java.otr4j.OtrEngineHost;
import net.java.otr4j.OtrException;
import net.java.otr4j.OtrPolicy;
import net.java.otr4j.OtrSessionManager;
import net.java.otr4j.crypto.OtrCryptoEngine;
import net.java.otr4j.session.InstanceTag;
import net.java.otr4j.session.Session;
import net.java.otr4j.session.SessionID;
import net.java.otr4j.session.SessionStatus;
import net.java.otr4j.session.TLV;

/**
 * One end of a conversation, run by otr4j: versions 2 and 3, all policies, several instances of the correspondent.
 *
 * The library reports most of what happens to its host, which is this class. Adaptations:
 *   - The library takes messages and texts as strings. Bytes that are not UTF-8 are unsupported.
 *   - The driver reads what the library does not tell from its fields before and after each call: that a session was
 *     established, refreshed or ended, its ssid, and the correspondent's key.
 *   - The library does not return whether a text was encrypted. It was if a session is encrypted, an encoded message
 *     came, and the library did not tell the host that the text came in the clear.
 *   - An empty encrypted text means a message with nothing to show, and is not reported.
 *   - OtrException means that the library did not accept something, and IllegalStateException that the policy or the
 *     state does not allow it: message_rejected or action_refused. Other exceptions are errors (-32002).
 *   - Without a session, SMP actions do nothing in the library. The driver reports them as refused.
 *   - The library draws its instance tag. It does not tell that the correspondent asks for an extra key, and sends no
 *     heartbeats.
 */
final class Party implements OtrEngineHost {
    static final Set<String> ACTIONS =
            Set.of("receive", "send", "start", "end", "smp_start", "smp_answer", "smp_abort", "set_policy");

    private static final Map<String, Integer> FLAGS = Map.of(
            "allow_v2", OtrPolicy.ALLOW_V2, "allow_v3", OtrPolicy.ALLOW_V3,
            "require_encryption", OtrPolicy.REQUIRE_ENCRYPTION,
            "send_whitespace_tag", OtrPolicy.SEND_WHITESPACE_TAG,
            "whitespace_start_ake", OtrPolicy.WHITESPACE_START_AKE, "error_start_ake", OtrPolicy.ERROR_START_AKE);

    private final Session session;
    private final KeyPair key;
    private final Tape.Stream random;
    private final Integer maxMessageSize;
    private OtrPolicy policy;

    private List<Object> events = new ArrayList<>(); // of the current call
    private boolean inTheClear; // the library told the host so in this call
    private InstanceTag asker; // the instance that asked for the secret, and its question
    private String question;

    Party(Map<?, ?> params) {
        String seed = (String) params.get("seed");
        random = new Tape.Stream(seed == null ? null : fromHex(seed));
        Tape.use(random);
        key = keyPair((Map<?, ?>) params.get("key"));
        Long size = (Long) params.get("max_message_size");
        maxMessageSize = size == null ? null : Math.toIntExact(size);
        policy = policyOf((List<?>) params.get("policy"));
        SessionID id = new SessionID((String) params.get("account"), (String) params.get("peer"), "prpl-driver");
        session = new OtrSessionManager(this).getSession(id);
    }

    private static byte[] fromHex(String digits) {
        byte[] bytes = new byte[digits.length() / 2];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) Integer.parseInt(digits.substring(2 * i, 2 * i + 2), 16);
        }
        return bytes;
    }

    private static String toHex(byte[] bytes) {
        StringBuilder digits = new StringBuilder();
        for (byte b : bytes) {
            digits.append(String.format("%02x", b));
        }
        return digits.toString();
    }

    private static KeyPair keyPair(Map<?, ?> numbers) {
        BigInteger[] pqgyx = new BigInteger[5];
        for (int i = 0; i < 5; i++) {
            pqgyx[i] = new BigInteger((String) numbers.get("pqgyx".substring(i, i + 1)), 16);
        }
        try {
            KeyFactory factory = KeyFactory.getInstance("DSA");
            return new KeyPair(
                    factory.generatePublic(new DSAPublicKeySpec(pqgyx[3], pqgyx[0], pqgyx[1], pqgyx[2])),
                    factory.generatePrivate(new DSAPrivateKeySpec(pqgyx[4], pqgyx[0], pqgyx[1], pqgyx[2])));
        } catch (GeneralSecurityException error) {
            throw new IllegalArgumentException(error);
        }
    }

    private static OtrPolicy policyOf(List<?> names) {
        int flags = 0;
        for (Object name : names) {
            if (!FLAGS.containsKey(name)) {
                throw new Driver.Unsupported("the library has no policy " + name);
            }
            flags |= FLAGS.get(name);
        }
        return new OtrPolicy(flags);
    }

    /** A text of the driver protocol as a string for the library. */
    private static String unicode(Object value) {
        byte[] bytes = Json.bytes(value);
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
        } catch (CharacterCodingException error) {
            throw new Driver.Unsupported("the library takes texts in Unicode, and these bytes are not UTF-8");
        }
    }

    private static String latin1(String text) {
        return new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.ISO_8859_1);
    }

    private static byte[] fingerprint(PublicKey key) {
        return OtrCryptoEngine.getFingerprintRaw(key);
    }

    /** The value of a private field of the library. */
    private static Object inside(Object library, String field) {
        try {
            Field found = library.getClass().getDeclaredField(field);
            found.setAccessible(true);
            return found.get(library);
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(error);
        }
    }

    /** The object that represents the message state; each handshake creates a new one. */
    private static Object state(Session one) {
        return inside(one, "sessionState");
    }

    private static String ssid(Session one) {
        Object secret = inside(inside(state(one), "smpTlvHandler"), "s");
        try {
            Method ssid = secret.getClass().getDeclaredMethod("ssid");
            ssid.setAccessible(true);
            return toHex((byte[]) ssid.invoke(secret));
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(error);
        }
    }

    /** The result of create. */
    Map<String, Object> told() {
        return Map.of("instance_tag", session.getSenderInstanceTag().getValue() & 0xFFFFFFFFL,
                "fingerprint", toHex(fingerprint(key.getPublic())));
    }

    /** Records an event; names and values in turn. */
    private void tell(String name, Object... fields) {
        Map<String, Object> event = new HashMap<>();
        event.put("event", name);
        for (int i = 0; i < fields.length; i += 2) {
            event.put((String) fields[i], fields[i + 1]);
        }
        events.add(event);
    }

    private void send(String[] messages) {
        if (messages != null) {
            for (String message : messages) {
                tell("outgoing_message", "message", latin1(message));
            }
        }
    }

    private void reject(Object reason) {
        tell("message_rejected", "reason", reason, "field", "", "offset", 0);
    }

    private static long instance(Session one) {
        return one.getReceiverInstanceTag().getValue() & 0xFFFFFFFFL; // 0 in version 2; an ended session has no version
    }

    /** The instance of something for which the library names none: known only if exactly one is encrypted. */
    private Long onlyInstance() {
        List<Long> encrypted = session.getInstances().stream()
                .filter(one -> status(one) == SessionStatus.ENCRYPTED).map(Party::instance).collect(toList());
        return encrypted.size() == 1 ? encrypted.get(0) : null;
    }

    private static SessionStatus status(Session one) {
        return one.getSessionStatus(one.getReceiverInstanceTag());
    }

    /** Carries out an action and returns its events. */
    List<Object> act(String action, Map<?, ?> params) {
        Tape.use(random);
        events = new ArrayList<>();
        inTheClear = false;
        Map<Session, SessionStatus> states = new HashMap<>();
        Map<Session, Object> objects = new HashMap<>();
        for (Session one : session.getInstances()) {
            states.put(one, status(one));
            objects.put(one, state(one));
        }
        try {
            carryOut(action, params);
        } catch (OtrException | IllegalStateException error) {
            error.printStackTrace();
            if (action.equals("receive")) {
                reject(null);
            } else {
                tell("action_refused", "action", action, "reason", null);
            }
        }
        for (Session one : session.getInstances()) {
            compare(one, states.getOrDefault(one, SessionStatus.PLAINTEXT), objects.get(one));
        }
        return events;
    }

    private void compare(Session one, SessionStatus before, Object stateBefore) {
        SessionStatus now = status(one);
        if (now == SessionStatus.ENCRYPTED && state(one) != stateBefore) {
            PublicKey theirs = (PublicKey) inside(state(one), "remotePublicKey");
            tell("session_established", "instance", instance(one), "version", one.getProtocolVersion(),
                    "ssid", ssid(one), "fingerprint", toHex(fingerprint(theirs)), "sent_reveal_signature", null,
                    "refreshed", before == SessionStatus.ENCRYPTED, "same_key", null);
        } else if (now == SessionStatus.FINISHED && before != now) {
            tell("peer_ended_session", "instance", instance(one));
        } else if (now == SessionStatus.PLAINTEXT && before != now) {
            tell("user_ended_session", "instance", instance(one));
        }
    }

    private void carryOut(String action, Map<?, ?> params) throws OtrException {
        choose((Long) params.get("instance"));
        switch (action) {
            case "receive":
                receive(unicode(params.get("message")));
                break;
            case "send":
                send(session.transformSending(unicode(params.get("text")), padding((Long) params.get("padding"))));
                break;
            case "start":
                session.startSession();
                break;
            case "end":
                session.endSession();
                break;
            case "set_policy":
                policy = policyOf((List<?>) params.get("policy"));
                break;
            default:
                smp(action, params);
        }
    }

    /** Makes the session of the instance the library's outgoing session. */
    private void choose(Long wanted) {
        if (wanted == null) {
            return;
        }
        for (Session one : session.getInstances()) {
            if (instance(one) == wanted) {
                session.setOutgoingInstance(one.getReceiverInstanceTag());
                return;
            }
        }
        throw new Driver.Unsupported("the library has no instance " + wanted);
    }

    private static List<TLV> padding(Long size) {
        return size == null ? List.of() : List.of(new TLV(TLV.PADDING, new byte[Math.toIntExact(size)]));
    }

    /** Whether this is an encoded message, or the last fragment of one. */
    private boolean isEncoded(String message) {
        if (!message.startsWith("?OTR|") && !message.startsWith("?OTR,")) {
            return message.startsWith("?OTR:");
        }
        String before = inside(inside(session, "assembler"), "fragment").toString();
        return before.isEmpty() ? message.contains(",?OTR:") : before.startsWith("?OTR:");
    }

    private void receive(String message) throws OtrException {
        boolean encoded = isEncoded(message);
        boolean encrypted = session.getInstances().stream().anyMatch(one -> status(one) == SessionStatus.ENCRYPTED);
        String text = session.transformReceiving(message);
        if (text != null && !(text.isEmpty() && encoded)) {
            boolean secure = encrypted && encoded && !inTheClear && !text.equals(message);
            tell("text_received", "text", latin1(text), "secure", secure, "warn", inTheClear,
                    "instance", secure ? onlyInstance() : (Object) 0);
        }
    }

    private void smp(String action, Map<?, ?> params) throws OtrException {
        if (session.getSessionStatus() != SessionStatus.ENCRYPTED) {
            tell("action_refused", "action", action, "reason", "wrong_state");
            return;
        }
        if (action.equals("smp_abort")) {
            session.abortSmp();
            return;
        }
        String secret = unicode(params.get("secret"));
        if (action.equals("smp_start")) {
            Object asked = params.get("question");
            session.initSmp(asked == null ? null : unicode(asked), secret);
        } else if (asker == null || params.get("instance") != null) {
            session.respondSmp(question, secret);
        } else {
            session.respondSmp(asker, question, secret);
        }
    }

    // The library calls the following methods.

    @Override
    public void injectMessage(SessionID id, String message) {
        send(new String[] {message});
    }

    @Override
    public void unreadableMessageReceived(SessionID id) {
        tell("message_unreadable", "instance", onlyInstance(), "reason", null, "field", "", "offset", 0);
    }

    @Override
    public void unencryptedMessageReceived(SessionID id, String message) {
        inTheClear = true;
    }

    @Override
    public void showError(SessionID id, String error) {
        tell("error_message_received", "text", latin1(error));
    }

    @Override
    public void smpError(SessionID id, int type, boolean cheated) {
        tell("smp_aborted", "instance", onlyInstance(), "reason", cheated ? null : "smp_unexpected");
    }

    @Override
    public void smpAborted(SessionID id) {
        tell("smp_aborted", "instance", onlyInstance(), "reason", null);
    }

    @Override
    public void finishedSessionMessage(SessionID id, String text) {
        tell("action_refused", "action", "send", "reason", "wrong_state");
    }

    @Override
    public void requireEncryptedMessage(SessionID id, String text) {
        tell("action_refused", "action", "send", "reason", null);
    }

    @Override
    public OtrPolicy getSessionPolicy(SessionID id) {
        return policy;
    }

    @Override
    public int getMaxFragmentSize(SessionID id) {
        return maxMessageSize == null ? Integer.MAX_VALUE : maxMessageSize;
    }

    @Override
    public KeyPair getLocalKeyPair(SessionID id) {
        return key;
    }

    @Override
    public byte[] getLocalFingerprintRaw(SessionID id) {
        return fingerprint(key.getPublic());
    }

    @Override
    public void askForSecret(SessionID id, InstanceTag receiver, String asked) {
        asker = receiver;
        question = asked;
        long from = receiver.getValue() & 0xFFFFFFFFL; // 0 in version 2
        tell("smp_requested", "instance", from, "question", asked == null ? null : latin1(asked));
    }

    @Override
    public void verify(SessionID id, String fingerprint) {
        tell("smp_finished", "instance", onlyInstance(), "equal", true);
    }

    @Override
    public void unverify(SessionID id, String fingerprint) {
        tell("smp_finished", "instance", onlyInstance(), "equal", false);
    }

    @Override
    public String getReplyForUnreadableMessage(SessionID id) {
        return "An encrypted message could not be read.";
    }

    @Override
    public String getFallbackMessage(SessionID id) {
        return "";
    }

    @Override
    public void messageFromAnotherInstanceReceived(SessionID id) {
        reject("other_instance");
    }

    @Override
    public void multipleInstancesDetected(SessionID id) {
        // The library goes on with all of them; the user need not do anything.
    }
}
