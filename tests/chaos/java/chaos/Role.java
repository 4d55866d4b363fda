// One part that the program plays, on a thread of its own, and the journal that it writes while it does.
package chaos;

import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.utils.AppInfoParser;

abstract class Role implements Runnable {
    final String name;
    volatile boolean stopped;
    volatile boolean endedWell;
    private final BufferedWriter journal;

    Role(String kind, String name) {
        this.name = name;
        try {
            journal = Files.newBufferedWriter(Path.of(System.getenv("JOURNALS"), name + ".journal"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        write("I", kind, "kafka-clients", AppInfoParser.getVersion());
        flush();
    }

    /** The part, until it is over or `stopped`. */
    abstract void play() throws Exception;

    @Override
    public void run() {
        try {
            play();
            write("END", now());
            endedWell = true;
        } catch (Throwable e) {
            error("fatal", e.toString());
        }
        flush();
    }

    /** Milliseconds of the machine's monotonic clock, the same in all processes. */
    static long now() {
        return System.nanoTime() / 1_000_000;
    }

    /** All partitions of TOPICS, which is `name:count,name:count`. */
    static List<TopicPartition> partitions() {
        List<TopicPartition> found = new ArrayList<>();
        for (String one : System.getenv("TOPICS").split(",")) {
            String[] named = one.split(":");
            for (int p = 0; p < Integer.parseInt(named[1]); p++) {
                found.add(new TopicPartition(named[0], p));
            }
        }
        return found;
    }

    /** One line of the journal; it is on its way to the file once `flush` was called. */
    final synchronized void write(Object... words) {
        try {
            for (int i = 0; i < words.length; i++) {
                journal.write((i == 0 ? "" : " ") + words[i]);
            }
            journal.write('\n');
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    final synchronized void flush() {
        try {
            journal.flush();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Writes down an error: `note` if a client gets over it, `fatal` if none may ever see it. */
    final void error(String kind, String text) {
        String line = text.replaceAll("\\s+", " ");
        write("E", now(), kind, line.substring(0, Math.min(300, line.length())));
        flush();
    }

    /** Writes down what a client threw or was told, as what it is; whether it is harmless. */
    final boolean judge(Exception e, String where) {
        boolean harmless =
            e instanceof RetriableException || e instanceof CommitFailedException || e instanceof RebalanceInProgressException;
        error(harmless ? "note" : "fatal", where + ": " + (harmless ? e.getClass().getSimpleName() : e.toString()));
        return harmless;
    }

    /** What every client of this role is configured with; `settings` are pairs of name and value. */
    final Properties settings(String... settings) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", System.getenv("BOOTSTRAP"));
        properties.put("client.id", name);
        for (int i = 0; i < settings.length; i += 2) {
            properties.put(settings[i], settings[i + 1]);
        }
        return properties;
    }
}
