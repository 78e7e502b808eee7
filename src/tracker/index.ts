/**
 * The tracker's part: seeding on demand.
 * Promise: each byte of a blob is read from the origin once however many agents ask, different chunks go to different
 * agents first, and an agent's want is answered or told to come again within seconds.
 * Owns: what was handed to whom, and where each blob can be had.
 */
export { TrackerSeeder, type TrackerSeederComponents } from './seeder.ts'
