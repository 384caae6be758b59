/** One datagram after another, each with its answer. */
import { SockError } from "../errors.ts";
import { errnoOf } from "../files/errno.ts";
import { ANSWER_BEGIN_MS } from "./limits.ts";
import { formatPlain, type PlainAddress } from "./address.ts";
import { preciseNow, type Trace } from "./trace.ts";

type UdpAddress = Extract<PlainAddress, { kind: "tcp" | "udp" }>;

export interface Asking extends Disposable {
  /** The next datagram that is no copy of an older answer. Throws `silent` where none comes in time, `refused` where the machine says that nothing listens. */
  ask(bytes: Uint8Array, isCopy: (back: Uint8Array) => boolean): Promise<Uint8Array>;
}

/** `ip` is what the address's name stands for. Throws `unreachable`. */
export async function askDatagram(
  address: UdpAddress,
  { ip, signal, trace }: { ip: string; signal: AbortSignal; trace: Trace | undefined },
): Promise<Asking> {
  const peer = formatPlain(address);
  let came: (bytes: Uint8Array) => void = () => undefined;
  let fail: (error: SockError) => void = () => undefined;
  const nothing = (): SockError => new SockError("refused", `${peer}: nothing listens there`);
  let socket: Bun.udp.ConnectedSocket<"buffer">;
  try {
    socket = await Bun.udpSocket({
      // otherwise it would be a socket of IPv4
      hostname: ip.includes(":") ? "::" : "0.0.0.0",
      connect: { hostname: ip, port: address.port },
      socket: {
        data(_socket, data) {
          trace?.({ time: preciseNow(), peer, direction: "read", bytes: data });
          came(data.slice());
        },
        error: () => fail(nothing()),
      },
    });
  } catch (thrown) {
    throw new SockError("unreachable", `${peer}: can't be reached`, undefined, { cause: thrown });
  }
  return {
    async ask(bytes, isCopy) {
      const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
      came = (back) => {
        if (!isCopy(back)) resolve(back);
      };
      fail = reject;
      const stop = (): void => reject(new SockError("interrupted", "stopped"));
      signal.addEventListener("abort", stop, { once: true });
      const wait = `${ANSWER_BEGIN_MS / 1000} s`;
      const late = setTimeout(
        () =>
          reject(
            new SockError("silent", `${peer}: no answer in ${wait}`, "datagrams can be lost: try again"),
          ),
        ANSWER_BEGIN_MS,
      );
      try {
        trace?.({ time: preciseNow(), peer, direction: "write", bytes });
        socket.send(bytes);
        return await promise;
      } catch (thrown) {
        if (errnoOf(thrown) === "EMSGSIZE") {
          throw new SockError("usage", `${bytes.length} bytes are more than a datagram holds (65,507)`);
        }
        throw thrown instanceof SockError ? thrown : nothing();
      } finally {
        clearTimeout(late);
        signal.removeEventListener("abort", stop);
      }
    },
    [Symbol.dispose]: () => socket.close(),
  };
}
