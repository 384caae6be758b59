/** What `post-pipe` can't say is not sent as something else. */
import { expect, test } from "bun:test";
import { asSockError } from "../../src/errors.ts";
import { postPipe } from "../../src/plain/post-pipe.ts";
import { writtenPeer } from "../helpers/written-peer.ts";

async function put(name: string): Promise<[written: string, failure: string | undefined]> {
  const { peer, written } = writtenPeer();
  const failure = await postPipe
    .put(peer, new TextEncoder().encode(name), 3, async () => peer.write(new TextEncoder().encode("abc")))
    .then(
      () => undefined,
      (thrown: unknown) => asSockError(thrown).code,
    );
  return [written(), failure];
}

test("a name with the mark that ends names would be another name, and another size", async () => {
  expect(await put("a|5|x")).toEqual(["", "usage"]);
  expect(await put("a>5 x")).toEqual(["post|a>5 x|3abc", undefined]);
});
