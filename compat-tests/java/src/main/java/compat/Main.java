// The Java client's compatibility program: runs each feature against BOOTSTRAP and prints `PASS name` or `FAIL name: reason`.
// Not a unit test: it starts no broker, and judges only what the public API of kafka-clients shows.
package compat;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.common.utils.AppInfoParser;

public final class Main {
    /** Longest time that one feature may take, in seconds; restarts of a real Kafka are the slowest. */
    private static final int FEATURE_SECONDS = 150;

    /** One feature; throws anything to fail. */
    interface Check {
        void run(Client client) throws Exception;
    }

    public static void main(String[] args) throws Exception {
        if (args.length == 2 && args[0].equals("lines")) {
            Lines.read(new Client(), args[1]);
            return;
        }
        if (args.length == 1 && args[0].equals("member")) {
            Member.run(new Client());
            return;
        }
        System.out.println("VERSION kafka-clients " + AppInfoParser.getVersion());
        Map<String, Check> checks = new LinkedHashMap<>();
        Topics.register(checks);
        Records.register(checks);
        Offsets.register(checks);
        Groups.register(checks);
        Rebalances.register(checks);
        GroupAdmin.register(checks);
        Restarts.register(checks);
        GroupRestarts.register(checks);
        System.exit(runAll(checks) ? 0 : 1);
    }

    private static boolean runAll(Map<String, Check> checks) {
        String only = System.getenv("FEATURE");
        boolean passed = true;
        ExecutorService threads = Executors.newCachedThreadPool(work -> {
            Thread thread = new Thread(work);
            thread.setDaemon(true);
            return thread;
        });
        try (Client client = new Client()) {
            for (var entry : checks.entrySet()) {
                if (only == null || only.equals(entry.getKey())) {
                    passed &= runOne(threads, client, entry.getKey(), entry.getValue());
                }
            }
        }
        return passed;
    }

    private static boolean runOne(ExecutorService threads, Client client, String name, Check check) {
        Future<?> running = threads.submit(() -> {
            check.run(client);
            return null;
        });
        String reason;
        try {
            running.get(FEATURE_SECONDS, TimeUnit.SECONDS);
            System.out.println("PASS " + name);
            return true;
        } catch (TimeoutException e) {
            running.cancel(true);
            reason = "no end after " + FEATURE_SECONDS + " s";
        } catch (ExecutionException e) {
            reason = String.valueOf(e.getCause());
        } catch (InterruptedException e) {
            reason = "interrupted";
        }
        System.out.println("FAIL " + name + ": " + reason.replace('\n', ' '));
        return false;
    }
}
