/**
 * One connection of the AMQP library, and what the library leaves to its user: it gathers writes, notices a frozen
 * broker, and reads messages of which the properties can't be read.
 */
import { AMQPClient } from "@cloudamqp/amqp-client";
import { AMQPView } from "@cloudamqp/amqp-client/amqp-view";
import { reasonOf } from "../script.ts";
import type { BrokerAddress } from "./address.ts";
import { FRAME_BYTES, NOT_KEPT } from "./properties.ts";

/** A node of the broker; where it has a name: its addresses of one family. */
export interface Node {
  readonly hostname: string;
  readonly port: number;
  readonly family?: 4 | 6;
}

/** Seconds; a frozen peer is noticed after about twice that. RabbitMQ advises 5 to 20. */
const HEARTBEAT_S = 10;

/** Writes of a turn are gathered up to so many bytes. */
const GATHER_BYTES = 65_536;

/** The protocol's frames begin with their type, channel and size. */
const BEFORE_PAYLOAD = 7;
const METHOD = 1;
const HEADER = 2;
/** A method frame's payload begins with a class and a method: connection.tune. Two bytes later is its `frame_max`. */
const TUNE = 0x0a_001e;
const TUNE_FRAME_MAX = BEFORE_PAYLOAD + 6;
/** A header frame's payload begins with a class, a weight and the size of the body. */
const BEFORE_PROPERTIES = BEFORE_PAYLOAD + 12;
const FRAME_END = 0xce;
const HEARTBEAT_FRAME = Uint8Array.of(8, 0, 0, 0, 0, 0, 0, FRAME_END);

const SENT = Promise.resolve();

export class Client extends AMQPClient {
  readonly #gathered = new Uint8Array(GATHER_BYTES);
  #length = 0;
  #heard = performance.now();
  /** Why the connection was lost, with the system's code where there is one. */
  #cause: unknown;
  #timer: ReturnType<typeof setInterval> | undefined;
  readonly #ended = new AbortController();

  /** @param name Shown on RabbitMQ's admin site. */
  constructor(address: BrokerAddress, { hostname, port, family }: Node, name: string) {
    const { username, password, vhost, tls, certificates } = address;
    const url = new URL(`${tls ? "amqps" : "amqp"}://localhost:${port}`);
    url.searchParams.set("name", name);
    url.searchParams.set("heartbeat", String(HEARTBEAT_S));
    url.searchParams.set("frameMax", String(FRAME_BYTES));
    url.username = encodeURIComponent(username);
    url.password = encodeURIComponent(password);
    // Without a family Deno would try both, and ask for the permission of the second in a way that nobody can catch.
    super(url.href, { family, ...certificates } as typeof certificates);
    // Not in the URL: brackets would stay around an IPv6 address.
    Object.assign(this, { host: hostname, vhost });
  }

  /** Aborted when the connection has ended, by whomever. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /**
   * Connects and logs in.
   *
   * @throws What made it fail; the system's own error where there is one. It is to be dropped then.
   */
  override async connect(): Promise<this> {
    try {
      const connected = super.connect();
      this.#listen();
      await connected;
    } catch (error) {
      throw this.#cause ?? error;
    }
    // A reply, its confirm and the acknowledgement are small and wait for each other: Nagle makes each wait 40 ms.
    this.socket?.setNoDelay(true);
    // Its own timeout counts what is written, too: we would never notice a peer that only listens. And it takes the
    // broker for lost when the script was busy, or stopped, for a heartbeat.
    this.socket?.setTimeout(0);
    if (this.heartbeat > 0) {
      this.#timer = setInterval(() => this.#beat(), this.heartbeat * 500);
    }
    return this;
  }

  /** Ends the connection at once. */
  drop(reason = "dropped"): void {
    this.socket?.destroy(new Error(reason));
  }

  /** Never rejects: a write that fails is reported by the end of the connection. */
  override send(bytes: Uint8Array): Promise<void> {
    if (this.#length === 0) setImmediate(() => this.#flush());
    if (this.#length + bytes.length > GATHER_BYTES) this.#flush();
    // A copy: the library uses its buffers again.
    if (bytes.length > GATHER_BYTES) this.socket?.write(bytes.slice());
    else {
      this.#gathered.set(bytes, this.#length);
      this.#length += bytes.length;
    }
    return SENT;
  }

  protected override parseFrames(view: AMQPView): void {
    if (this.closed) limitFrames(view);
    if (view.getUint8(0) !== HEADER) return super.parseFrames(view);
    // Binary headers are views into their frame, and the buffer of one that came in pieces is used again.
    const copies = view.buffer === this.#pieces.frameBuffer.buffer;
    try {
      super.parseFrames(copies ? new AMQPView(bytesOf(view).slice().buffer) : view);
    } catch (error) {
      super.parseFrames(withoutProperties(bytesOf(view), reasonOf(error)));
    }
  }

  #flush(): void {
    this.socket?.write(this.#gathered.slice(0, this.#length));
    this.#length = 0;
  }

  #listen(): void {
    const { socket } = this;
    const [read] = socket?.listeners("data") ?? [];
    if (!socket || !read) throw new Error("the AMQP library has no socket");
    socket.removeAllListeners("data");
    socket.on("data", (bytes) => {
      this.#heard = performance.now();
      try {
        read(bytes);
        this.#makeRoom();
      } catch (error) {
        // Thrown here it would end the script.
        socket.destroy(error as Error);
      }
    });
    socket.on("error", (error) => this.#cause ??= error);
    socket.on("close", () => {
      clearInterval(this.#timer);
      this.#ended.abort(new Error("the connection has ended"));
    });
  }

  get #pieces(): Pieces {
    return this as unknown as Pieces;
  }

  /** The properties of a message come in one frame, however long they are: makes the buffer for its pieces as long. */
  #makeRoom(): void {
    const { framePos, frameSize, frameBuffer } = this.#pieces;
    // Who hasn't let us in may be no broker: a web server's answer looks like a frame of a gigabyte.
    if (frameSize <= frameBuffer.length || this.closed) return;
    const larger = Buffer.allocUnsafe(frameSize);
    frameBuffer.copy(larger, 0, 0, framePos);
    Object.assign(this, { frameBuffer: larger });
  }

  #beat(): void {
    if (performance.now() - this.#heard > this.heartbeat * 2000) {
      return this.drop("no sign of life from the broker");
    }
    this.send(HEARTBEAT_FRAME);
  }
}

/** How the library puts a frame together that comes in pieces. */
interface Pieces {
  readonly framePos: number;
  readonly frameSize: number;
  readonly frameBuffer: Buffer;
}

/** A broker without a limit of frames (0) is told ours: it would send bodies in one frame, however long they are. */
function limitFrames(view: AMQPView): void {
  if (view.getUint8(0) !== METHOD || view.getUint32(BEFORE_PAYLOAD) !== TUNE) return;
  if (view.getUint32(TUNE_FRAME_MAX) === 0) view.setUint32(TUNE_FRAME_MAX, FRAME_BYTES);
}

function bytesOf(view: AMQPView): Uint8Array<ArrayBuffer> {
  return new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength);
}

/** The header frame of a message with a note in the place of its properties. */
function withoutProperties(frame: Uint8Array, reason: string): AMQPView {
  const view = new AMQPView(new ArrayBuffer(1024));
  const bytes = new Uint8Array(view.buffer);
  bytes.set(frame.subarray(0, BEFORE_PROPERTIES));
  const headers = { [NOT_KEPT]: `all properties: ${reason}` };
  const end = BEFORE_PROPERTIES + view.setProperties(BEFORE_PROPERTIES, { headers });
  bytes[end] = FRAME_END;
  view.setUint32(3, end - BEFORE_PAYLOAD);
  return new AMQPView(view.buffer, 0, end + 1);
}
