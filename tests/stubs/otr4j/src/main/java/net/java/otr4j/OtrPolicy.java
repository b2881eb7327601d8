package net.java.otr4j;

public final class OtrPolicy {
    public static final int ALLOW_V2 = 1;
    public static final int ALLOW_V3 = 2;
    public static final int REQUIRE_ENCRYPTION = 4;
    public static final int SEND_WHITESPACE_TAG = 8;
    public static final int WHITESPACE_START_AKE = 16;
    public static final int ERROR_START_AKE = 32;

    public OtrPolicy(int flags) { }
}
