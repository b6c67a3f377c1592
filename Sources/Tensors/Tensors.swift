// Tensors: the engine's floor: shapes, workspace, threads, operators over the C kernels.
