// What a member of the `member` mode has written so far: its assignment, its commits, the numbers that it read.
// Not a check: a last line that is not complete yet is left out.
package compat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

final class MemberFile {
    /** The partitions owned by the last line about it. */
    final Set<Integer> owned = new TreeSet<>();
    /** The last acknowledged commit of each partition. */
    final Map<Integer, Long> committed = new TreeMap<>();
    /** The offset after the last record read of each partition. */
    final Map<Integer, Long> next = new TreeMap<>();
    /** The values read, which are numbers. */
    final Set<Integer> numbers = new HashSet<>();

    MemberFile(Path file) throws IOException {
        String text = Files.readString(file);
        text.substring(0, text.lastIndexOf('\n') + 1).lines().forEach(line -> add(line.split(" ", 4)));
    }

    private void add(String[] words) {
        switch (words[0]) {
            case "A" -> {
                owned.clear();
                for (String partition : words.length < 3 || words[2].isEmpty() ? new String[0] : words[2].split(",")) {
                    owned.add(Integer.parseInt(partition));
                }
            }
            case "R" -> owned.clear();
            case "C" -> committed.put(Integer.parseInt(words[1]), Long.parseLong(words[2]));
            case "M" -> {
                next.put(Integer.parseInt(words[1]), Long.parseLong(words[2]) + 1);
                numbers.add(Integer.parseInt(words[3]));
            }
            default -> { }
        }
    }
}
