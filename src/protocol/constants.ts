/** Every number that both ends must agree on, and every limit, each with its unit. */

export const PROTOCOL_VERSION = 1;
export const ALPN = "sock/1";
export const DEFAULT_PORT = 7625;

const KiB = 1024;
const MiB = 1024 * KiB;
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

// frames
/** Bytes of the length that leads each frame (unsigned, little-endian). */
export const LENGTH_BYTES = 4;
/** Longest header, bytes of UTF-8 JSON. */
export const MAX_HEADER_BYTES = 64 * KiB;
/** Longest header of the first frame of each direction, bytes. */
export const MAX_FIRST_HEADER_BYTES = 4 * KiB;
/** Longest body of a frame, bytes. */
export const MAX_BODY_BYTES = 1 * MiB;
/** Longest row of frames that is packed into one, bytes. */
export const MAX_PACKED_BYTES = MAX_BODY_BYTES + MAX_HEADER_BYTES + LENGTH_BYTES;
/** Longest window of its zstd frame, bytes: what RFC 8878 asks every decoder to have. */
export const MAX_PACKED_WINDOW_BYTES = 8 * MiB;
/** The word of a `hello` whose sender takes `packed` frames. */
export const FEATURE_ZSTD = "zstd";
/** Deepest nesting of a header's JSON; the header's own object is level 1. */
export const MAX_JSON_DEPTH = 8;
/** Longest text of an error that a peer may send and we show, characters. */
export const MAX_ERROR_TEXT = 500;
/** Most features or capabilities in one list. */
export const MAX_LIST = 64;
/** Longest word in such a list, version, platform, charset or name of a key, characters. */
export const MAX_WORD = 64;
/** Longest name of a machine or of a user on one, characters. */
export const MAX_PEER_NAME = 255;
/** Longest public key (base64 of DER), characters. */
export const MAX_SPKI_TEXT = 256;

// sessions
/** From accept to a session (TLS, key looked up, `hello` read), ms. */
export const AUTHORISE_DEADLINE_MS = 10 * SECOND;
/** Sockets without a session: in all, for an address, for an address with a good session in the last hour. */
export const MAX_UNAUTHORISED = 100;
export const MAX_UNAUTHORISED_PER_ADDRESS = 8;
export const MAX_UNAUTHORISED_PER_KNOWN_ADDRESS = 64;
export const KNOWN_ADDRESS_MS = HOUR;
/** Most addresses that are remembered as known, oldest out first. */
export const MAX_KNOWN_ADDRESSES = 10_000;
/** While others wait, TLS must be done this long after a socket's turn came, ms: less the more there are. */
export const TLS_TURN_MS = 1 * SECOND;
export const MIN_TLS_TURN_MS = 150;
/** Most connections that wait for their turn; with one more the oldest is closed. */
export const MAX_WAITING = 512;
export const PING_INTERVAL_MS = 15 * SECOND;
export const PINGS_MISSED = 3;
export const CONNECT_TIMEOUT_MS = 10 * SECOND;
/** Pause before the next of several addresses is tried beside the first, ms (RFC 8305 allows 100 to 2,000). */
export const NEXT_ADDRESS_MS = 100;
/** A server that was told to stop waits this long for its transfers, ms. */
export const DRAIN_MS = 10 * SECOND;
/** A running server follows changed grants within this, ms. */
export const GRANTS_POLL_MS = 400;

// join codes and grants
export const ENROL_TTL_MS = HOUR;
export const ENROL_USES = 1;
export const DIRECT_TTL_MS = 30 * DAY;
export const MAX_CODE_ADDRESSES = 4;
/** Longest code that is looked at, and longest text that one is searched in, characters. */
export const MAX_CODE_CHARS = 2_000;
export const MAX_PASTE_CHARS = 8_000;
/** Most uses of a code that are counted; each is a file. */
export const MAX_USES = 1_000;
/** Longest name of a host, key or code, characters of `a-z 0-9 . _ -`. */
export const MAX_LABEL_CHARS = 63;
/** Longest host name (RFC 1035), characters, and longest path of a unix socket (macOS has 104 with the NUL), bytes. */
export const MAX_HOST_CHARS = 253;
export const MAX_UNIX_PATH_BYTES = 103;
export const RUN_ID_BYTES = 16;

// files
/** Block of the chained xxh3, bytes. */
export const XXH3_BLOCK_BYTES = 64 * KiB;
/** Bytes of a file in one `data` frame. */
export const DATA_BYTES = 1 * MiB;
/** Blocks of DATA_BYTES in flight between socket, hash and disk, each direction of one transfer. */
export const BLOCKS_IN_FLIGHT = 8;
/** Files up to this many bytes are hashed where they are; longer ones on a thread of their own. */
export const INLINE_HASH_BYTES = 1 * MiB;
/** So many small files of a transfer are hashed where they are; more of them, some together, on a thread. */
export const INLINE_DIGESTS = 200;
/** Small files that are hashed together at most, bytes and files. */
export const DIGEST_BATCH_BYTES = 128 * KiB;
export const DIGEST_BATCH_FILES = 64;
/** Files up to this many bytes travel in the frame of their entry. */
export const SMALL_FILE_BYTES = 64 * KiB;
/** Block of the proofs that a prefix is there already, bytes. */
export const PROOF_BLOCK_BYTES = 1 * MiB;
/** Proofs in one frame. */
export const PROOFS_IN_FRAME = 64;
/** Files from this size on, and what came of them, are kept when a transfer breaks, bytes. */
export const RESUME_BYTES = 1 * MiB;
/** Entries that a sender has out without an answer. */
export const ENTRIES_IN_FLIGHT = 1024;
/** What a receiver passes over after it has stopped an entry: more is not on its way, and meant for nobody, bytes. */
export const MAX_PASSED_OVER_BYTES = 256 * MiB;
/** Most paths in one `get`. */
export const MAX_GET_PATHS = 64;
/** Longest target of a symbolic link, bytes (PATH_MAX). */
export const MAX_LINK_TARGET_BYTES = 4096;
/** Most paths of one put that are remembered to find two that are the same. */
export const MAX_REMEMBERED_PATHS = 20_000;
/** Most partial files that are kept in one folder; the oldest go first. */
export const MAX_PARTIALS = 1_000;
/** Most folders of a tree that changes as one which are looked at once more before the change. */
export const MAX_WATCHED_FOLDERS = 100_000;
/** Most folders of partial files beside the root's own that are looked after. */
export const MAX_BESIDE = 1_000;
/** So long a transfer waits for the end of another one to the same place, whose client may be dead, ms. */
export const TAKE_OVER_MS = 1_000;
/** Longest time that small files are worked on in one go, ms. */
export const SLICE_MS = 10;
/** Partial files older than this are removed, ms. */
export const PARTIAL_TTL_MS = 24 * HOUR;
export const PARTIAL_FOLDER = ".sock-partial";
/** Longest file name, bytes (POSIX NAME_MAX), and longest path on the wire, bytes. */
export const MAX_NAME_BYTES = 255;
export const MAX_PATH_BYTES = 4096;
/** Most symbolic links followed while one path is resolved (Linux's own limit). */
export const MAX_LINK_HOPS = 40;
/** Most folders entered while one path is resolved, those behind links included. */
export const MAX_WALK_STEPS = 4096;
/** Deepest folder of a tree that is sent or listed; each holds a descriptor. */
export const MAX_DEPTH = 256;
/** Most names that a client takes for one listing, or for one pattern. */
export const MAX_LISTED = 2_000_000;
/** Most patterns that the braces of one make. */
export const MAX_PATTERNS = 1_000;
/** Most names tried for a file that is saved beside one of its name. */
export const MAX_RENAMES = 1_000;
/** Free blocks of DATA_BYTES that a process keeps for later. */
export const MAX_FREE_BLOCKS = 32;
/** Threads for hashes, at most. */
export const MAX_DIGEST_WORKERS = 4;

// remote commands
/** Bytes of one stream that may be on their way to their reader. */
export const STREAM_CREDIT = 1 * MiB;
/** Longest words of a command, with the zero byte after each, bytes (Linux takes 2 MiB in all). */
export const MAX_ARGV_BYTES = 2 * MiB;
/** Most words of one command. */
export const MAX_ARGV = 100_000;
/** Most variables that a client may set, and longest value, characters. */
export const MAX_ENV = 200;
export const MAX_ENV_TEXT = 32_000;
/** After the end of a command its outputs may stay open, and silent, for this long, ms. */
export const HELD_OPEN_MS = 300;
/** A client that has read `exit` or `over`, or what refused it, and says no `finish` for so long is cut off, ms. */
export const FINISH_MS = 5 * SECOND;

// terminals
/** Output of a terminal that waits for its client's word that it was used, bytes; at this the terminal is stopped. */
export const TERMINAL_UNACKED = 1 * MiB;
/** Most terminals of one server, and of one key. */
export const MAX_TERMINALS = 64;
export const MAX_TERMINALS_OF_KEY = 16;
/** A terminal without a client waits this long for one. */
export const LINGER_MS = 300_000;
/** Longest name of a terminal, characters, and most columns or rows. */
export const MAX_TERMINAL_NAME = 40;
export const MAX_TERMINAL_SIDE = 10_000;

// chat
/** Longest line, and longest name in the room, characters. */
export const MAX_CHAT_TEXT = 4_000;
export const MAX_CHAT_NAME = 40;
/** Most people in the room of one server, and of one key. */
export const MAX_CHAT_PEOPLE = 32;
export const MAX_CHAT_PEOPLE_OF_KEY = 8;
/** So many lines at once, then one in each such time, ms. */
export const CHAT_BURST = 20;
export const CHAT_LINE_MS = 200;
/** Runs of clients whose last line is remembered. */
export const MAX_CHAT_RUNS = 1_000;

// datagrams
/** Header of every datagram, and so the smallest one, bytes. */
export const DATAGRAM_HEADER_BYTES = 64;
/** Longest datagram (65,535 less the headers of IPv4 and UDP), bytes. */
export const MAX_DATAGRAM_BYTES = 65_507;
export const COOKIE_BYTES = 16;
export const DATAGRAM_KEY_BYTES = 32;
/** What is kept of the HMAC, bytes. */
export const DATAGRAM_TAG_BYTES = 16;
/** Shortest time between two datagrams of a run, ns. */
export const MIN_UDP_INTERVAL_NS = 5_000;
export const MAX_UDP_INTERVAL_NS = 3_600_000_000_000;
/** Most datagrams of one run. */
export const MAX_UDP_COUNT = 100_000_000;
/** Runs at the same time: in all, and from one address. */
export const MAX_UDP_RUNS = 4096;
export const MAX_UDP_RUNS_PER_ADDRESS = 1024;
/** Agreed datagrams a second of all runs together, and of those from one address. */
export const MAX_UDP_RATE = 2_000_000;
export const MAX_UDP_RATE_PER_ADDRESS = 500_000;
/** How far back a server knows which numbers it has answered, datagrams. */
export const UDP_WINDOW = 65_536;
/** What a client may be ahead of its rate for, because it was held up, ms; never less than the next, datagrams. */
export const UDP_BURST_MS = 1 * SECOND;
export const MIN_UDP_BURST = 64;
/** Local addresses that a server answers datagrams on. */
export const MAX_UDP_SOCKETS = 256;
/** Without a single reply for this long a run ends, ms. */
export const UDP_SILENCE_MS = 3 * SECOND;
/** A reply later than this after its probe is late, unless the user says otherwise, ms. */
export const UDP_LATE_MS = 2 * SECOND;
/** What is waited for the last replies at least, ms. */
export const MIN_UDP_WAIT_MS = 200;
