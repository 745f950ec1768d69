/**
 * A machine whose readings are what it was told last: for tests and for the simulator.
 */
import type { Machine, MemoryReading } from './machine.ts';

export class ManualMachine implements Machine {
  #memory: MemoryReading | null;
  #cpu: number | null;

  constructor(memory: MemoryReading | null = null, cpu: number | null = null) {
    this.#memory = memory;
    this.#cpu = cpu;
  }

  memory(): MemoryReading | null {
    return this.#memory;
  }

  cpu(): number | null {
    return this.#cpu;
  }

  setMemory(memory: MemoryReading | null): void {
    this.#memory = memory;
  }

  setCpu(cpu: number | null): void {
    this.#cpu = cpu;
  }
}
