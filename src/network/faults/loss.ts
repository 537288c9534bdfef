/** Which frames a link loses: tc-netem's three models (sch_netem.c, `loss_event`). Pure but for their states. */

import type { Random } from "../../core/random.ts";
import { Correlated } from "./correlated.ts";
import type { Shape } from "./conditions.ts";

/** Whether the next frame is lost. */
export type Loss = () => boolean;

/** The model of a shape; undefined: it loses nothing. */
export function lossOf(shape: Shape, random: Random): Loss | undefined {
  if (shape.lossState) return fourStates(shape.lossState, random);
  if (shape.lossGemodel) return gilbertElliott(shape.lossGemodel, random);
  if (!shape.loss) return undefined;
  const { loss } = shape;
  const numbers = new Correlated(random, shape.lossCorrelation);
  return () => numbers.next() < loss;
}

/**
 * Gilbert and Elliott: a link is good or bad. It turns bad with probability `p`, good with `r`; a frame is lost with probability
 * 1 - `h` while it is bad, 1 - `k` while it is good. The state turns for the next frame.
 */
function gilbertElliott({ p, r, h, k }: Required<Shape>["lossGemodel"], random: Random): Loss {
  let isBad = false;
  return () => {
    const loss = isBad ? 1 - h : 1 - k;
    if (random.next() < (isBad ? r : p)) isBad = !isBad;
    return random.next() < loss;
  };
}

/** A Markov chain: 1 received in a gap, 2 received in a burst, 3 lost in a burst, 4 lost in a gap. */
function fourStates({ p13, p31, p32, p23, p14 }: Required<Shape>["lossState"], random: Random): Loss {
  let state = 1;
  return () => {
    const number = random.next();
    switch (state) {
      case 1:
        if (number < p14) state = 4;
        else if (number < p14 + p13) state = 3;
        break;
      case 2:
        if (number < p23) state = 3;
        break;
      case 3:
        if (number < p32) state = 2;
        else if (number < p32 + p31) state = 1;
        break;
      default:
        state = 1;
    }
    return state > 2;
  };
}
