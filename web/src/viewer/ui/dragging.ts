import type { DragEvent } from 'react';

const TYPE = 'application/x-filmless-display-set';

export function startDragging(event: DragEvent, displaySetId: string): void {
  event.dataTransfer.setData(TYPE, displaySetId);
  event.dataTransfer.effectAllowed = 'copy';
}

export const draggedDisplaySet = (event: DragEvent): string => event.dataTransfer.getData(TYPE);
