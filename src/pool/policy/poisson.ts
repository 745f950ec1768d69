/** P(Poisson(mean) ≥ k) for k = 0, 1, 2 …: how likely so many are asked for while one is being replaced. */
export function* poissonTails(mean: number): Generator<number, never> {
  let term = Math.exp(-mean);
  let tail = 1;
  for (let k = 1; ; k += 1) {
    yield tail;
    tail = Math.max(0, tail - term);
    term *= mean / k;
  }
}
