/** Every limit of what is said to plain peers, each with its unit. None of them is a part of sock's own protocol. */
/** Largest length that their signed 32 bits can say, bytes. */
export const MAX_INT32 = 2 ** 31 - 1;
/** What came of a peer and was not read yet, bytes: above it its socket is read no further. */
export const PLAIN_UNREAD = 1024 * 1024;
/** What waits to be sent to one, bytes. */
export const PLAIN_UNSENT = 1024 * 1024;
/** A client that takes nothing of its answer for this long is given up, ms. */
export const PLAIN_STALL_MS = 60_000;
/** The same for one of several in a chat, who all wait for it, ms. */
export const CHAT_STALL_MS = 3000;
/** A client that says nothing for this long is asked whether it is still there, ms. */
export const PLAIN_KEEPALIVE_MS = 30_000;
/** What a piece that waits is counted as besides its bytes: about what its place in a queue takes, bytes. */
export const WAITING_COST = 256;
/** A request that has no end is over when nothing more has come for this long, ms. */
export const REQUEST_PAUSE_MS = 50;
/** Between a length that has to come alone and what it counts, ms. */
export const ALONE_MS = 40;
/** How long one that is turned away may take to ask, where it would not understand an answer before, ms. */
export const REFUSAL_WAIT_MS = 2000;
/** Longest request, bytes. */
export const MAX_REQUEST_BYTES = 64 * 1024;
/** Most output of one command that is held to be counted, bytes. */
export const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** The same of all commands together. */
export const MAX_ANSWERS_BYTES = 256 * 1024 * 1024;
/** Most clients of one dialect at the same time, and most that wait for their turn. */
export const MAX_PLAIN_CLIENTS = 512;
export const MAX_PLAIN_WAITING = 512;
/** An answer without an end is over when nothing more has come for this long, ms. */
export const ANSWER_PAUSE_MS = 200;
/** Longest wait for an answer to begin where silence can be an answer too, ms. */
export const ANSWER_BEGIN_MS = 3000;
/** Silence that a person is told of where it can't be told from a command that takes long, ms. */
export const ANSWER_WARN_MS = 5000;
/** Longest silence of a peer that has answered before, in a measurement, ms. */
export const ANSWER_STALL_MS = 30_000;
/** Longest wait for a peer to close after the last byte of a file, ms. */
export const PLAIN_CLOSE_MS = 10_000;
/** Flows of datagrams whose impairment is remembered. */
export const MAX_PLAIN_FLOWS = 10_000;
/** Of a datagram that comes again and again from elsewhere this one is not answered, and then each of so many. */
export const LOOP_SAME = 50;
export const LOOP_LATER = 5000;
/** What has not come for this long is new, ms. */
export const LOOP_FORGET_MS = 1000;
/** Datagrams of one address elsewhere that are answered in a second. */
export const LOOP_BUDGET = 100_000;
/** Sources, and datagrams, that are remembered. */
export const MAX_LOOP_SOURCES = 10_000;
