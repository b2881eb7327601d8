package net.java.otr4j;

public class OtrException extends Exception {
}
