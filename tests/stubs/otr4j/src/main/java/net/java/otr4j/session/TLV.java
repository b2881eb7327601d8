package net.java.otr4j.session;

public class TLV {
    public static final int PADDING = 0;

    public TLV(int type, byte[] value) { }
}
