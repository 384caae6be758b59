/** A session whose datagrams a test makes itself. */
import { Session } from "../../src/client/session.ts";
import { UdpControl } from "../../src/client/udp-control.ts";
import { SockWire } from "../../src/client/udp-wire.ts";
import { parseJoinCode } from "../../src/protocol/join-code.ts";
import { DatagramSocket } from "../../src/transport/datagrams.ts";

export interface Received {
  readonly bytes: Buffer;
  readonly port: number;
  readonly address: string;
}

/** A socket that keeps what comes; gone with its scope. */
export class Listener implements Disposable {
  readonly received: Received[] = [];
  socket!: DatagramSocket;

  static async open(port = 0, address = "127.0.0.1"): Promise<Listener> {
    const listener = new Listener();
    listener.socket = await DatagramSocket.bind(address, port, {
      datagram: (bytes, from, peer) =>
        void listener.received.push({ bytes: Buffer.from(bytes), port: from, address: peer }),
    });
    return listener;
  }

  [Symbol.dispose](): void {
    this.socket.close();
  }
}

export async function openSession(code: string): Promise<Session> {
  const { addresses, pin, secret } = parseJoinCode(code);
  return Session.open({ name: "test", addresses, pin, secret, ephemeral: true });
}

export interface AgreedRun extends AsyncDisposable {
  readonly session: Session;
  readonly control: UdpControl;
  readonly wire: SockWire;
  readonly listener: Listener;
  readonly port: number;
  /** A fresh probe of that number. */
  probe(number: number, payload?: Uint8Array): Buffer;
  send(bytes: Uint8Array, from?: Listener): void;
}

/** A run that was agreed on, and a socket to send its datagrams from. */
export async function agree(
  code: string,
  asked: { count?: number; interval?: number; bytes?: number } = {},
): Promise<AgreedRun> {
  const session = await openSession(code);
  const bytes = asked.bytes ?? 200;
  const control = await UdpControl.begin(session, { count: 100_000, interval: 1_000_000, ...asked, bytes });
  const wire = new SockWire(control, bytes);
  const listener = await Listener.open();
  const { port } = session.channel.connection;
  return {
    session,
    control,
    wire,
    listener,
    port,
    probe: (number, payload = new Uint8Array(bytes - 64)) => Buffer.from(wire.carry(number, payload)),
    send: (datagram, from = listener) => void from.socket.send(datagram, port, "127.0.0.1"),
    [Symbol.asyncDispose]: async () => {
      listener[Symbol.dispose]();
      control.leave();
      session.close();
    },
  };
}
