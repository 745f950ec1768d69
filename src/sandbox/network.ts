/**
 * The network of one invocation, as a backend sees it: frames of the sandbox go in, frames for the sandbox come out.
 *
 * Owns the seam alone. What is behind it decides everything; a backend passes on and understands nothing.
 */
import type { Frame } from './protocol/frames.ts';
import type { NetworkFields, NetworkFrameType } from './protocol/network-frames.ts';

export interface NetworkSession {
  /** The backend's end; nothing is sent before there is one. */
  attach(send: (type: NetworkFrameType, fields: NetworkFields) => void): void;
  /** A frame of the sandbox. @throws FrameError when no honest sandbox sends it. */
  accept(frame: Frame): void;
  /** The invocation ends, and what is under way belongs from now on to another one of the same instance. */
  handOver(to: NetworkSession): void;
}
