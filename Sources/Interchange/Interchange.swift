// Interchange: file formats for weights.
