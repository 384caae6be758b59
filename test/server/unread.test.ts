/** A client that asks and asks, and never reads what it is told: the server stops taking its requests. */
import { expect, test } from "bun:test";
import type { Header } from "../../src/protocol/frame.ts";
import { serveHere } from "../helpers/in-process.ts";
import { scriptedClient } from "../helpers/scripted.ts";

/** So much may be in queues and sockets on the way, bytes. */
const MOST = 48 * 1024 * 1024;
/** Nothing was taken for so long, ms: then nothing will be. */
const STILL = 500;

const put = (to: string): Header => ({ type: "put", to, digest: "sha256", on_exists: "replace" });
const asked: Record<string, Header[]> = {
  "puts that are refused": [put(`../${"x".repeat(200)}`), { type: "finish" }],
  "puts of nothing": [put("x/"), { type: "finish" }],
  "listings of nothing": [{ type: "ls", path: `no/${"x".repeat(200)}` }],
};

for (const [what, headers] of Object.entries(asked)) {
  test(
    what,
    async () => {
      await using server = await serveHere();
      using peer = await scriptedClient(server.join);
      const { connection } = peer.channel;
      connection.pause();
      let sent = 0;
      let stopped = false;
      while (!stopped && sent < MOST) {
        for (let count = 0; count < 200; count++) {
          for (const header of headers) {
            peer.send(header);
            sent += JSON.stringify(header).length + 4;
          }
        }
        const taken = connection.drained() ?? Promise.resolve();
        stopped = await Promise.race([taken.then(() => false), Bun.sleep(STILL).then(() => true)]);
      }
      expect(stopped).toBe(true);
    },
    30_000,
  );
}
