import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ASKED, beginTiming, mark, timings, openingTimes } from './timing';

describe('the phases of an opening', () => {
  beforeEach(() => {
    performance.clearMarks();
    vi.restoreAllMocks();
  });

  it('count from the moment the route was asked for, and only once', () => {
    performance.mark(ASKED, { startTime: 1000 });
    beginTiming();
    vi.spyOn(performance, 'now').mockReturnValueOnce(1250).mockReturnValueOnce(9000);
    mark('seriesListed');
    mark('seriesListed');
    expect(timings()).toEqual({ seriesListed: 250 });
  });

  it('begin anew with the next study', () => {
    performance.mark(ASKED, { startTime: 1000 });
    beginTiming();
    mark('firstImage');
    vi.spyOn(performance, 'now').mockReturnValue(5000);
    beginTiming();
    expect(openingTimes.getState()).toEqual({ since: 5000, phases: {}, hasFailed: false });
  });
});
