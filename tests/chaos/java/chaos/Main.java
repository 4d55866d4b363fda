// The Java client at work: plays the roles that its arguments name, `role:name`, each with a journal `name.journal` in JOURNALS.
// `stop NAME` on standard input stops one of them, the end of standard input all. It ends when all roles have; with 0 if each did well.
package chaos;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.LinkedHashMap;
import java.util.Map;

final class Main {
    public static void main(String[] arguments) throws InterruptedException {
        Map<String, Role> roles = new LinkedHashMap<>();
        for (String argument : arguments) {
            String[] named = argument.split(":");
            roles.put(named[1], role(named[0], named[1]));
        }
        var threads = roles.values().stream().map(role -> new Thread(role, role.name)).toList();
        threads.forEach(Thread::start);
        Thread obeying = new Thread(() -> obey(roles), "orders");
        obeying.setDaemon(true);
        obeying.start();
        for (Thread thread : threads) {
            thread.join();
        }
        System.exit(roles.values().stream().allMatch(role -> role.endedWell) ? 0 : 1);
    }

    private static Role role(String kind, String name) {
        return switch (kind) {
            case "produce" -> new Producing(name);
            case "follow", "read" -> new Following(kind, name);
            case "member" -> new Member(name);
            case "watermarks" -> new Watermarks(name);
            default -> throw new IllegalArgumentException("no role " + kind);
        };
    }

    private static void obey(Map<String, Role> roles) {
        try (var orders = new BufferedReader(new InputStreamReader(System.in))) {
            for (String line = orders.readLine(); line != null; line = orders.readLine()) {
                String[] words = line.split(" ");
                if (words.length == 2 && words[0].equals("stop") && roles.containsKey(words[1])) {
                    roles.get(words[1]).stopped = true;
                }
            }
        } catch (IOException e) {
            // Whoever gives the orders is gone: the same as their end.
        }
        roles.values().forEach(role -> role.stopped = true);
    }
}
