// How all charts are looked at together: one smoothing for every curve, so that curves beside each other can be compared.

class ChartView {
  /** Weight of the moving average, in [0, 1); 0 draws what was measured. */
  smoothing = $state(0);
}

export const chartView = new ChartView();
