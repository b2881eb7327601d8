package net.java.otr4j;

import net.java.otr4j.session.Session;
import net.java.otr4j.session.SessionID;

/**
 * The classes in this folder have what the driver calls of otr4j, without what it does: the driver compiles against them
 * where the library is not there.
 */
public class OtrSessionManager {
    public OtrSessionManager(OtrEngineHost host) { }

    public Session getSession(SessionID id) {
        return null;
    }
}
