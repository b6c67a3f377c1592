// Metering: what the host can tell: CPU time, energy counters, power models.
