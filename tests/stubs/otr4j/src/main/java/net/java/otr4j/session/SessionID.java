package net.java.otr4j.session;

public final class SessionID {
    public SessionID(String account, String user, String protocol) { }
}
