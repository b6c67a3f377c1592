// Training: training, distillation, calibration, evaluation.
