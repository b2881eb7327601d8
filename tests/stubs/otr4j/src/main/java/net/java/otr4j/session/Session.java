package net.java.otr4j.session;

import java.util.List;
import net.java.otr4j.OtrException;

public interface Session {
    SessionStatus getSessionStatus();

    SessionStatus getSessionStatus(InstanceTag tag);

    int getProtocolVersion();

    InstanceTag getSenderInstanceTag();

    InstanceTag getReceiverInstanceTag();

    List<Session> getInstances();

    boolean setOutgoingInstance(InstanceTag tag);

    void startSession() throws OtrException;

    void endSession() throws OtrException;

    String[] transformSending(String text, List<TLV> tlvs) throws OtrException;

    String transformReceiving(String message) throws OtrException;

    void initSmp(String question, String secret) throws OtrException;

    void respondSmp(InstanceTag receiver, String question, String secret) throws OtrException;

    void respondSmp(String question, String secret) throws OtrException;

    void abortSmp() throws OtrException;
}
