"""librdkafka at work: plays the roles that its arguments name, `role:name`, each with a journal `name.journal` in JOURNALS.

`stop NAME` on standard input stops one of them, the end of standard input all. It ends when all roles have; with 0 if each did well.
"""

import sys
import threading

from member import Member
from producing import Producing
from reading import Following, ReadingAll
from topics import Making
from watching import Watching, Watermarks

ROLES = {role.kind: role for role in (Producing, Following, ReadingAll, Member, Watching, Watermarks, Making)}


def obey(roles):
    """Stops roles as it is told to."""
    for line in sys.stdin:
        words = line.split()
        if len(words) == 2 and words[0] == "stop" and words[1] in roles:
            roles[words[1]].stopped.set()
    for role in roles.values():
        role.stopped.set()


def main():
    """Plays all roles to their ends."""
    named = [argument.split(":") for argument in sys.argv[1:]]
    roles = {name: ROLES[kind](name) for kind, name in named}
    for role in roles.values():
        role.start()
    threading.Thread(target=obey, args=(roles,), daemon=True).start()
    for role in roles.values():
        role.join()
    return 0 if all(role.ended_well for role in roles.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
