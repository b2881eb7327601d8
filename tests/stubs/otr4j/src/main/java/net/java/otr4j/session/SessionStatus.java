package net.java.otr4j.session;

public enum SessionStatus {
    PLAINTEXT,
    ENCRYPTED,
    FINISHED
}
