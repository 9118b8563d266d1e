/*
 * engine/shard/plant.h - bugs that the tests plant, to see that they would be found.
 *
 * The test build compiles the engine once more with one of these defined:
 *   PTL_PLANT_STALE_EPOCH     what was sent before a link failed is taken after it
 *   PTL_PLANT_EARLY_PUBLISH   a ring shows a record before it is written
 *   PTL_PLANT_LOST_MONITOR    a monitor is forgotten when its link fails
 *   PTL_PLANT_GENERATION      a port is found by its slot, whatever the generation
 *   PTL_PLANT_REPLY_ORDER     a death notice overtakes what the port sent before
 *   PTL_PLANT_EARLY_DOWN      ... on a link, while that waits for its turn
 */
#pragma once
