/*
 * store/plant.h - bugs that the tests plant, to see that they would be found.
 *
 * tests/store/store_model_test.c and the simulator are compiled once more, with the store, for each
 * of these:
 *   PTL_PLANT_OLD_ATTACHMENT   an update through an older attachment is taken
 *   PTL_PLANT_DELETE_ORDER     a delete changes places with the set that followed it
 *   PTL_PLANT_FIRST_COPY       the first change after a watcher's first copy is not told
 */
#pragma once
