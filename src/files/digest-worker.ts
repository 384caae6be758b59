/** A hashing thread: SHA-256 of several streams at once, told apart by id. An entry point of the build of its own. */
import type { DigestReply, DigestRequest } from "./digest-messages.ts";

const hashers = new Map<number, Bun.CryptoHasher>();

addEventListener("message", (event: MessageEvent<DigestRequest>) => {
  const { data } = event;
  postMessage(answer(data));
});

function answer(request: DigestRequest): DigestReply {
  const { id } = request;
  if (request.type === "many") return { id, digest: digestsOf(request.block, request.lengths) };
  const hasher = hashers.get(id) ?? new Bun.CryptoHasher("sha256");
  switch (request.type) {
    case "update":
      hashers.set(id, hasher);
      hasher.update(request.block);
      return { id };
    case "digest":
      hashers.delete(id);
      return { id, digest: hasher.digest("hex") };
    case "drop":
      hashers.delete(id);
      return { id };
    default:
      throw new Error(`unknown request ${JSON.stringify(request satisfies never)}`);
  }
}

function digestsOf(block: Uint8Array, lengths: Uint32Array): string {
  let digests = "";
  let at = 0;
  for (const length of lengths) {
    digests += Bun.SHA256.hash(block.subarray(at, at + length), "hex");
    at += length;
  }
  return digests;
}
