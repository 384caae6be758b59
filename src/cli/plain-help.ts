/** `sock help dialects` and `sock help impair`. */
import { DIALECTS } from "../plain/dialects.ts";
import { table } from "./help-text.ts";

/** What is sent, drawn for each dialect. */
export function dialects(): string {
  const rows = [...DIALECTS.values()].flatMap(({ name, drawn }) =>
    drawn.map((line, at) => [at === 0 ? name : "", line]),
  );
  return [
    "dialects of peers that speak no sock",
    ...table(rows),
    "",
    "sock plain NAME=ADDR answers such clients; ADDR is tcp://HOST:PORT, unix:PATH,",
    "and for echo and upper udp://HOST:PORT. --dialect NAME talks to such servers;",
    "left out:",
    ...table([
      ["sock echo ADDR", "shows what came, and judges nothing"],
      ["sock shell ADDR", "exec"],
      ["sock put, sock get", "ftp-gt"],
    ]),
    "",
    "An answer without an end, as of exec, is over when nothing has come for 200ms",
    "(--quiet-for).",
  ].join("\n");
}

/** What `--impair` knows. */
export function impairments(): string {
  return [
    "--impair 'drop=1% delay=20ms': the answers of sock plain, and of sock serve to",
    "echo and udp, made worse on purpose",
    ...table([
      ["delay=20ms jitter=5ms", "each answer waits so long, more or less"],
      ["rate=10mbit", "no more bits a second"],
    ]),
    "",
    "datagrams only",
    ...table([
      ["drop=1%", "is not sent"],
      ["dup=0.5%", "is sent twice"],
      ["reorder=2%", "is overtaken by the next one"],
      ["corrupt=0.1%", "has one bit turned round"],
      ["way=up", "sock serve: those that come, not its answers; way=both: each way by itself"],
    ]),
    "",
    "TCP and unix sockets only",
    ...table([
      ["split=2", "sock plain: is cut into writes of so many bytes"],
      ["coalesce=50ms", "is gathered for so long, then sent in one write"],
      ["reset=1%", "of the writes break the connection instead"],
      ["stall=5s", "the first answer stops in its middle, once"],
    ]),
    "",
    "The same --seed is the same again: each client, and each run of sock udp, has",
    "its own row of chances, by the order of their coming.",
  ].join("\n");
}
