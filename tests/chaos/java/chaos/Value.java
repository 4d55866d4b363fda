// What a record holds: `producer/topic/partition/sequence/padding/checksum`, as text. The librdkafka program writes the same.
package chaos;

import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32;
import org.apache.kafka.common.TopicPartition;

record Value(String producer, long sequence) {
    private static final String PADDING =
        "the quick brown fox jumps over the lazy dog and then does it all over again until somebody counts to a thousand ".repeat(2);

    /** A value that no producer can have written there. */
    @SuppressWarnings("serial") // nobody serialises it
    static final class Damaged extends Exception {
        Damaged(String why) {
            super(why);
        }
    }

    byte[] write(TopicPartition at) {
        String padding = PADDING.substring(0, (int) (20 + sequence * 37 % 180));
        String body = producer + "/" + at.topic() + "/" + at.partition() + "/" + sequence + "/" + padding;
        return (body + "/" + checksum(body)).getBytes(StandardCharsets.UTF_8);
    }

    static Value read(byte[] value, TopicPartition at) throws Damaged {
        String text = value == null ? "" : new String(value, StandardCharsets.UTF_8);
        int slash = text.lastIndexOf('/');
        if (slash < 0 || !text.substring(slash + 1).equals(checksum(text.substring(0, slash)))) {
            throw new Damaged("its checksum is wrong");
        }
        String[] parts = text.split("/", 5);
        if (parts.length < 5 || !parts[1].equals(at.topic()) || !parts[2].equals(String.valueOf(at.partition()))) {
            throw new Damaged("it belongs into another partition");
        }
        return new Value(parts[0], Long.parseLong(parts[3]));
    }

    private static String checksum(String body) {
        CRC32 crc = new CRC32();
        crc.update(body.getBytes(StandardCharsets.UTF_8));
        return String.format("%08x", crc.getValue());
    }
}
