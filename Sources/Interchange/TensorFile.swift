// Files with named tensors, of PyTorch or in the safetensors format, whichever form the bytes have.

/// Reads files with named tensors.
public enum TensorFile {
    /// Returns the tensors of a PyTorch checkpoint or a safetensors file; nil for bytes that begin like neither. No code
    /// is executed. Errors: those of both readers.
    public static func read(_ bytes: [UInt8]) throws -> SafetensorsFile? {
        if TorchCheckpoint.isCheckpoint(bytes) { return try TorchCheckpoint.decode(bytes: bytes) }
        if Safetensors.isSafetensors(bytes) { return try Safetensors.decode(bytes: bytes) }
        return nil
    }
}
