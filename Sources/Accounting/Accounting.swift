// Accounting: energy, carbon and cost of attempts.
