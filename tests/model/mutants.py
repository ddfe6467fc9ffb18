"""Every rule of the protocol, broken: each must be noticed by the oracle."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Mutant"]


class Mutant(StrEnum):
    """What one broken implementation does."""

    # Fills
    LATE_BEGUN = "a fill begins when it is stored, whatever has changed"
    DATED_UNLOCKED = "an entry is dated without the lock under which changes are applied"
    DATED_DEAF = "an entry is dated when it is stored though the lease has lapsed"
    BEGUN_AT_MISS = "a fill begins at the miss, whatever its context read before"
    BEGUN_AFTER_READ = "the clock is read after the first read was answered"
    BLOCK_ONLY = "a fill depends only on what its own block reads"
    HIT_KEEPS_SLOTS = "a hit doesn't hand its slots to the context"
    HIT_KEEPS_BEGUN = "a hit doesn't hand its begun to the context"
    EQUAL_TIMES = "a change at the very time of begun leaves the entry fresh"
    NO_SNAPSHOT_RULE = "a fill in a snapshot transaction begins at its own first read"
    WRITER_FILLS = "a writing transaction fills what it touched"
    WRITER_TAKES = "a writing transaction takes what it touched"
    ROLLBACK_FORGETS = "after a rollback the context fills from what it read of its own drafts"
    SAVEPOINT_FORGETS = "what a rolled-back savepoint touched is forgotten"
    FOLLOWER_BELIEVES = "a follower takes the leader's value unseen"
    ANY_NOT_PENDING = "a writing transaction takes and fills what depends on anything"
    OWN_WRITE_KNOWN = "a context believes to know what it has changed since it read it"
    TOUCH_UNJUDGED = "a touched entry is dated anew though it may have changed meanwhile"
    TOUCH_DEAF = "a touched entry is dated anew though the lease has lapsed"
    PUT_IS_LATE = "a set after a miss begins at the set"

    # Footprints and changes
    ROW_SPARES_TABLE = "the write of a row doesn't touch the table slot"
    TABLE_SPARES_ROWS = "the write of unknown rows doesn't touch the all-rows slot"
    COARSE_DROPS_NAMES = "a coarsened change forgets its other slots"
    NARROW_TICKET = "a ticket carries fewer slots under the same id"
    APPLIED_FIRST = "the id is stored before the slots"

    # Writers
    NO_INTENT = "no intent is recorded"
    LATE_INTENT = "the intent is recorded after the commit"
    INTENT_OF_FIRST_STATEMENT = "later statements of a transaction don't add to its intent"
    CLEARED_BEFORE_APPLY = "the intent is cleared before the change is applied"
    CLEARED_BEFORE_PUBLISH = "the intent is cleared before the change is published"
    CLEARED_UNPUBLISHED = "the intent is cleared though the bus refused the change"
    CLEARED_ON_ERROR = "a COMMIT that raised clears its intent and changes nothing"
    ERROR_ANNOUNCED_ONCE = "a COMMIT that raised is announced, and its intent cleared, at once"
    CHANGE_BEFORE_COMMIT = "the change is applied and published before the COMMIT"
    MESSAGE_BEFORE_NUMBER = "the message is written before its number is spent"

    # The agent
    ORPHAN_UNPUBLISHED = "a dead worker's change is applied but not published"
    STALLED_IGNORED = "only dead workers are answered for, stalled ones are not"
    STALLED_ONCE = "a stalled worker is answered for once"
    OWN_ID_REUSED = "an intent is applied under the id that its writer will use"
    SESSION_IGNORED = "a dead worker's intent is cleared while its COMMIT is in flight"
    SESSION_CHECKED_LATE = "the session is looked up after the change was applied"
    LATE_HEARTBEAT = (
        "a heartbeat's send time is taken when it is written, not before the intents were looked at"
    )
    HEARTBEAT_REGARDLESS = "a heartbeat is sent though intents could not be published"
    CURSOR_FIRST = "number and cursor of a message are stored before it is applied"
    NO_WIPE_AT_TAKEOVER = "a new agent without a cursor forgets nothing"
    SUBSCRIBED_LATE = "everything is forgotten before the subscription, not after"
    CURSOR_BEFORE_WIPE = "the first cursor is stored before everything is forgotten"

    # Gaps
    IGNORED_GAP = "a missing number is ignored"
    IGNORED_TAIL = "the number in a heartbeat is ignored"
    IGNORED_EPOCH = "EPOCH is not looked at"
    IGNORED_STRANGER = "an unknown sender is no gap"
    IGNORED_LAP = "a reader that was lapped reads on, and baselines anew"
    IGNORED_VANISHED = "a node that vanished is no gap"
    VANISHED_KNOWN_ONLY = "only the vanishing of a node once heard is a gap"
    VANISHED_AT_ONCE = "a dead node leaves the roster while a COMMIT of it is in flight"
    IGNORED_GOODBYE = "the last number in a goodbye is ignored"
    LEFT_WHILE_WRITING = "a deleted table leaves the roster while a worker still writes beside it"
    NO_REJOIN = "a node that comes back after it vanished doesn't join again"

    # The lease
    NO_LEASE = "the lease is not looked at"
    LEASE_FROM_ARRIVAL = "heartbeats count from their arrival"
    LEASE_WITHOUT_PEERS = "one's own echo is enough"
    LEASE_WITHOUT_LOOK = "the last look at the roster may be of any age"
    LEASE_AFTER_SLOTS = "the lease is read after the slots"
    CLOCK_BEFORE_SLOTS = "the clock is read before the slots"
    RETIRED_LEASE = "a deleted table's lease is extended by an agent that listens for another"

    # Tickets and stale service
    NO_TICKET = "a client carries nothing"
    ONE_COOKIE = "the last response overwrites the cookies of the others"
    TICKET_AFTER_READ = "a ticket is applied at the end of its request"
    TICKET_LOST_TO_LOCK = "a ticket that can't be applied is ignored"
    SHORT_TICKET = "a ticket lives shorter than stale entries are served"
    STALE_TO_TICKET = "a stale value is served to a client whose ticket names its slot"
    STALE_TO_WRITER = "a stale value is served to the very request that changed it"
    ANY_UNNAMED = "a stale value that depends on anything is served to any ticket"
    STALE_FOR_EVER = "stale service is not bounded"
