/**
 * The physics of a cook: a charcoal smoker, its lid, and two cuts of meat in it, in steps of 5 s.
 * README.md has the equations and why they are what they are.
 *
 * Temperatures are in °F. Times are minutes since the first row, rates are per minute.
 */

const STEP_SECONDS = 5;
/** A step in minutes. */
const STEP = STEP_SECONDS / 60;
const MEAT_ON = 97;
const OUTSIDE = 72;
const CHARCOAL = 464;

/** When the lid is opened, for how long, and the share of the air's heat that escapes a minute. */
export const OPENINGS = [
  { at: MEAT_ON - 1.5, minutes: 1.5, loss: 0.3, why: "the meat goes on" },
  { at: 194.3, minutes: 0.5, loss: 0.12, why: "a look" },
  { at: 268.1, minutes: 1.5, loss: 0.26, why: "turned" },
  { at: 333.3, minutes: 0.5, loss: 0.12, why: "a look" },
  { at: 397.1, minutes: 1.3, loss: 0.24, why: "turned" },
  { at: CHARCOAL, minutes: 1.8, loss: 0.32, why: "charcoal added" },
];

interface Cut {
  /** Temperature it comes out of the refrigerator with. */
  start: number;
  /** Warming of the surface for each degree that the air is hotter. */
  air: number;
  /** Warming of a layer for each degree that the next one out is hotter. */
  inward: number;
  /** Cooling of a wet surface for each kPa of its water's vapour pressure. */
  evaporation: number;
  /** Juice there is to evaporate, as the degrees it takes from the surface. */
  juice: number;
  /** With less juice than this a crust forms, and less and less comes through it. */
  critical: number;
}

const FOOD_A: Cut = {
  start: 36.4,
  air: 0.075,
  inward: 0.072,
  evaporation: 0.14,
  juice: 2100,
  critical: 560,
};
// The smaller cut, on a cooler shelf: its core warms sooner all the same, and a crust forms sooner.
const FOOD_B: Cut = {
  start: 37.2,
  air: 0.065,
  inward: 0.116,
  evaporation: 0.162,
  juice: 2200,
  critical: 1320,
};

/** Pressure of water vapour over water of a temperature, kPa (Magnus' formula). */
function vapourPressure(fahrenheit: number): number {
  const celsius = (fahrenheit - 32) / 1.8;
  return 0.611 * Math.exp((17.62 * celsius) / (celsius + 243.1));
}

/** Fire, air and walls of the smoker. Each call goes on by a step and returns the air's temperature. */
function smoker(noise: () => number): (minute: number) => number {
  let [air, walls, fire, draught, correction] = [84, 74, 0.1, 0, 0];
  return (minute) => {
    // The fan's controller is a plain PI one. Its integral rests while the fan is at a limit.
    const error = (minute < CHARCOAL ? 237 : 246) - air;
    const wanted = 0.5 + 0.02 * error + correction;
    const fan = Math.min(1, Math.max(0.15, wanted));
    if (fan === wanted) correction += 0.0006 * error * STEP;
    // Wind and settling coals: the draught wanders around its mean (Ornstein-Uhlenbeck).
    draught += -draught * STEP / 14 + 0.035 * Math.sqrt(STEP) * noise();
    // The coals take 80 minutes to catch. Fresh ones flare up, which the fan can't hold down.
    const flare = minute < CHARCOAL ? 0 : 0.72 * Math.exp((CHARCOAL - minute) / 25);
    const coals = Math.min(1, 0.1 + minute / 90) + flare;
    fire += (fan * coals * (1 + draught) - fire) * STEP / 9;
    const lid = OPENINGS.find(({ at, minutes }) => minute >= at && minute < at + minutes);
    const lost = (lid?.loss ?? 0) * (air - OUTSIDE);
    const gained = 40 * fire + 0.35 * (walls - air) - lost;
    walls += (0.03 * (air - walls) - 0.017 * (walls - OUTSIDE)) * STEP;
    return air += gained * STEP;
  };
}

interface Meat {
  core: number;
  /** How fast the core climbs, by the heat that reaches it. */
  climb: number;
  /** The share of the heat that the surface takes from the air which evaporation takes away again. */
  share: number;
}

/** A cut of meat as three layers, the core with the probe innermost. Each call goes on by a step. */
function meat(cut: Cut): (air: number) => Meat {
  let [surface, middle, core, juice] = [cut.start, cut.start, cut.start, cut.juice];
  return (air) => {
    // From about 140 °F on meat shrinks and sheds its juice: only then it sweats in earnest.
    const sweat = 0.35 + 0.65 / (1 + Math.exp((146 - middle) / 1.4));
    const wet = sweat * Math.min(1, juice / cut.critical) ** 3;
    const evaporated = cut.evaporation * wet * vapourPressure(surface);
    const taken = cut.air * (air - surface);
    const [outer, inner] = [cut.inward * (surface - middle), cut.inward * (middle - core)];
    juice -= evaporated * STEP;
    surface += (taken - evaporated - 2 * outer) * STEP;
    middle += (outer - inner) * STEP;
    core += inner * STEP;
    return { core, climb: inner, share: evaporated / taken };
  };
}

/** What holds 5 s after the moment before. The foods are missing until the meat goes on. */
export interface Moment {
  second: number;
  air: number;
  foodA?: Meat;
  foodB?: Meat;
}

/** A whole cook. All that is random in it is the draught. */
export function cook(noise: () => number, minutes: number): Moment[] {
  const [pit, foodA, foodB] = [smoker(noise), meat(FOOD_A), meat(FOOD_B)];
  const moments: Moment[] = [];
  for (let second = 0; second <= minutes * 60; second += STEP_SECONDS) {
    const air = pit(second / 60);
    const on = second >= MEAT_ON * 60;
    moments.push(on ? { second, air, foodA: foodA(air), foodB: foodB(air) } : { second, air });
  }
  return moments;
}
