import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.Provider;
import java.security.SecureRandom;
import java.security.SecureRandomSpi;
import java.security.Security;
import java.nio.ByteBuffer;
import java.util.Arrays;

/** The source of every SecureRandom, and so of the library's randomness: bytes derived from the acting party's seed. */
public final class Tape extends SecureRandomSpi {
    private static final SecureRandom SYSTEM = new SecureRandom();
    private static Stream current;

    /** A seed, and the position in its stream; a null seed stands for the system's randomness. */
    static final class Stream {
        private final byte[] seed;
        private long block;
        private byte[] pending = new byte[0];

        Stream(byte[] seed) {
            this.seed = seed;
        }

        private void fill(byte[] out) throws NoSuchAlgorithmException {
            for (int done = 0; done < out.length;) {
                if (pending.length == 0) {
                    MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
                    sha256.update(seed);
                    pending = sha256.digest(ByteBuffer.allocate(8).putLong(block++).array());
                }
                int size = Math.min(pending.length, out.length - done);
                System.arraycopy(pending, 0, out, done, size);
                pending = Arrays.copyOfRange(pending, size, pending.length);
                done += size;
            }
        }
    }

    static void install() {
        SYSTEM.nextInt(); // initialise it before installing the provider, so that it is the system's
        Provider provider = new Provider("Tape", "1", "seeds of the driver") { };
        provider.put("SecureRandom.Tape", Tape.class.getName());
        Security.insertProviderAt(provider, 1);
    }

    /** From now on, draw from this stream. */
    static void use(Stream stream) {
        current = stream;
    }

    @Override
    protected void engineSetSeed(byte[] seed) {
        // Ignore a seed that the library adds.
    }

    @Override
    protected void engineNextBytes(byte[] bytes) {
        if (current == null || current.seed == null) {
            SYSTEM.nextBytes(bytes);
            return;
        }
        try {
            current.fill(bytes);
        } catch (NoSuchAlgorithmException error) {
            throw new IllegalStateException(error);
        }
    }

    @Override
    protected byte[] engineGenerateSeed(int size) {
        return SYSTEM.generateSeed(size);
    }
}
