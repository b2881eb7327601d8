package net.java.otr4j;

import java.security.KeyPair;
import net.java.otr4j.session.InstanceTag;
import net.java.otr4j.session.SessionID;

public interface OtrEngineHost {
    void injectMessage(SessionID id, String message);

    void unreadableMessageReceived(SessionID id);

    void unencryptedMessageReceived(SessionID id, String message);

    void showError(SessionID id, String error);

    void smpError(SessionID id, int type, boolean cheated);

    void smpAborted(SessionID id);

    void finishedSessionMessage(SessionID id, String text);

    void requireEncryptedMessage(SessionID id, String text);

    OtrPolicy getSessionPolicy(SessionID id);

    int getMaxFragmentSize(SessionID id);

    KeyPair getLocalKeyPair(SessionID id);

    byte[] getLocalFingerprintRaw(SessionID id);

    void askForSecret(SessionID id, InstanceTag receiver, String question);

    void verify(SessionID id, String fingerprint);

    void unverify(SessionID id, String fingerprint);

    String getReplyForUnreadableMessage(SessionID id);

    String getFallbackMessage(SessionID id);

    void messageFromAnotherInstanceReceived(SessionID id);

    void multipleInstancesDetected(SessionID id);
}
