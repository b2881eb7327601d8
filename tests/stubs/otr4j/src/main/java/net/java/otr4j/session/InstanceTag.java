package net.java.otr4j.session;

public final class InstanceTag {
    public int getValue() {
        return 0;
    }
}
