import { SockError } from "../errors.ts";
import type { Counts, Udp } from "../protocol/udp-messages.ts";
import type { Session } from "./session.ts";

/** What is waited for counts, ms: a server that does not answer is gone, whatever TCP says. */
const COUNTS_MS = 3000;

/** The session of one run: it hands out cookie and key, tells when the server goes, and has the counts at the end. */
export class UdpControl {
  readonly cookie: Uint8Array;
  readonly key: Uint8Array;
  /** Why the session ended. */
  failure: SockError | undefined;
  /** Called once the session has ended, or the server is about to go. */
  onOver: ((failure: SockError) => void) | undefined;
  readonly #session: Session;
  #next: Promise<Counts | undefined>;

  private constructor(session: Session, cookie: Uint8Array, key: Uint8Array) {
    this.#session = session;
    this.cookie = cookie;
    this.key = key;
    this.#next = this.#listen();
    session.onClosing = () => this.#tell();
  }

  /** Throws the server's refusal. */
  static async begin(session: Session, asked: Omit<Udp, "type">): Promise<UdpControl> {
    session.require("udp");
    session.channel.send({ type: "udp", ...asked });
    const { message } = await session.next();
    if (message.type !== "udp")
      throw new SockError("protocol", `the server answered udp with ${message.type}`);
    return new UdpControl(session, Uint8Array.fromHex(message.cookie), Uint8Array.fromBase64(message.key));
  }

  /** Why the run should end: the session has, or the server is about to go. */
  get over(): SockError | undefined {
    if (this.failure !== undefined) return this.failure;
    return this.#session.closing
      ? new SockError("draining", "the server is stopping", "the same command works again when it is back")
      : undefined;
  }

  /** What the server has seen so far; undefined where it does not say. After `final` the run is over. */
  async counts(final: boolean): Promise<Counts | undefined> {
    if (this.failure !== undefined) return undefined;
    this.#session.channel.send({ type: "counts", final });
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), COUNTS_MS);
    });
    const counts = await Promise.race([this.#next, late]);
    clearTimeout(timer);
    if (!final) this.#next = this.#listen();
    return counts;
  }

  /** Ends the run without asking for anything. */
  leave(): void {
    this.#session.channel.send({ type: "counts", final: true });
  }

  #tell(): void {
    const { over } = this;
    if (over !== undefined) this.onOver?.(over);
  }

  async #listen(): Promise<Counts | undefined> {
    try {
      const { message } = await this.#session.next();
      if (message.type === "counts") return message;
      this.failure = new SockError("protocol", `the server sent ${message.type} in a run of datagrams`);
    } catch (thrown) {
      this.failure = thrown instanceof SockError ? thrown : new SockError("internal", String(thrown));
    }
    this.#tell();
    return undefined;
  }
}
