// Writes stored networks in the formats of other programs, with metadata about their origin.

import Artifacts
import Datasets
import Foundation
import Interchange
import Networks
import Postgres

/// The bytes of a stored network in a format of other programs.
public enum NetworkExport {
    /// A file format.
    public enum Format: String, CaseIterable, Sendable {
        /// ONNX with float weights.
        case onnx
        /// ONNX with integer weights, which computes in eight bits.
        case onnxInt8 = "onnx-int8"
        /// The stored bytes: safetensors with the names of the reference code.
        case safetensors
    }

    /// Returns the bytes of `network` in `format`. With `normalises`, an ONNX model takes pixels and normalises them
    /// itself; safetensors hold weights only, and do not depend on it. The same artifact gives the same bytes.
    /// `onnxInt8` needs `quantised`, the network in eight bits.
    public static func bytes(
        of network: StoredNetwork, _ format: Format, normalises: Bool = false,
        quantised: NetworkQuantisation? = nil
    ) throws -> [UInt8] {
        let normalization = network.input.normalization, name = network.artifact.name
        let pixels: ONNXModel.Pixels? =
            normalises ? .init(mean: normalization.mean, deviation: normalization.deviation) : nil
        switch format {
        case .safetensors: return network.bytes
        case .onnx:
            return ONNXModel(
                try OperatorGraph(network.shape, network.weights), name: name, pixels: pixels,
                metadata: try metadata(of: network, normalises: normalises)
            ).encoded
        case .onnxInt8:
            guard let quantised else { preconditionFailure("no network in eight bits is given") }
            var metadata = try metadata(of: network, normalises: normalises)
            metadata["quantisation"] = try JSONText.encode(quantised.fields)
            return ONNXModel(
                quantised.result.graph, name: name, pixels: pixels, metadata: metadata
            ).encoded
        }
    }

    /// Returns whether `digest` is that of the bytes of `artifact`, or of an export of it: exports have the same bytes
    /// each time; those in eight bits, on processors with the same instruction set. `cache` is as in `StoredNetwork`;
    /// `threads` quantise, if the digest is not that of an export in floats.
    public static func has(
        _ digest: Digest, of artifact: Artifact, _ connection: Connection, cache: BlobCache,
        threads: Int
    ) throws -> Bool {
        if digest == artifact.digest { return true }
        guard artifact.kind == ArtifactRole.subnet.rawValue else { return false }
        let network = try StoredNetwork(artifact, connection, cache: cache)
        func has(_ format: Format, _ quantised: NetworkQuantisation? = nil) throws -> Bool {
            try [false, true].contains {
                let made = try bytes(of: network, format, normalises: $0, quantised: quantised)
                return Digest.of(made) == digest
            }
        }
        if try has(.onnx) { return true }
        // A network without a data set cannot be exported in eight bits.
        guard network.inputs[.dataset] != nil else { return false }
        return try has(
            .onnxInt8,
            NetworkQuantisation(of: network, connection, cache: cache, threads: threads))
    }

    /// An input of the attempt that extracted a network.
    struct Parent: Encodable {
        let role, kind, name, digest: String
    }

    private struct Lineage: Encodable {
        let stage: String?
        let inputs: [Parent]
    }

    /// The accuracies of a network. For a network measured in eight bits, `bits` is 8, and `float_test` and
    /// `float_held_out` are its accuracies in floats; other networks lack these three.
    private struct Accuracy: Encodable {
        let test: Double
        let test_images: Int?
        let predicted, predicted_error, held_out: Double?
        let held_out_images: Int?
        let bits: Int?
        let float_test, float_held_out: Double?
    }

    /// The artifacts that a network was made from, ordered by role. Digests identify them in every database, unlike
    /// numbers of artifacts and runs.
    static func parents(of network: StoredNetwork) -> [Parent] {
        network.inputs.sorted { $0.key.rawValue < $1.key.rawValue }.map { role, artifact in
            Parent(
                role: role.rawValue, kind: artifact.kind, name: artifact.name,
                digest: artifact.digest.hex)
        }
    }

    /// Returns the metadata of an ONNX model; the keys are listed in ops/docs/files.md.
    static func metadata(of network: StoredNetwork, normalises: Bool) throws -> [String: String] {
        let figures = network.figures
        var metadata = [
            "name": network.artifact.name,
            "digest": network.artifact.digest.hex,
            "space": network.space.name,
            "architecture": try JSONText.encode(figures.arch),
            "resolution": "\(network.shape.resolution)",
            "input": normalises ? "pixels" : "normalised",
            "normalisation": try JSONText.encode(network.input.normalization),
            "preprocessing": network.input.words(resolution: network.shape.resolution),
            "accuracy": try JSONText.encode(
                Accuracy(
                    test: figures.testAccuracy, test_images: figures.testImages,
                    predicted: figures.predictedAccuracy,
                    predicted_error: figures.accuracyUncertainty,
                    held_out: figures.heldOutAccuracy, held_out_images: figures.heldOutImages,
                    bits: figures.eightBits.map { _ in 8 },
                    float_test: figures.eightBits?.floatTestAccuracy,
                    float_held_out: figures.eightBits?.floatHeldOutAccuracy)),
            "lineage": try JSONText.encode(
                Lineage(
                    stage: network.artifact.producer?.stage, inputs: parents(of: network))),
        ]
        if !network.classNames.isEmpty {
            metadata["classes"] = try JSONText.encode(network.classNames)
        }
        return metadata
    }
}

extension NetworkInput {
    /// How a picture becomes a network's input of `resolution` × `resolution` pixels, in words.
    func words(resolution: Int) -> String {
        let colour = normalization.mean.count == 1 ? "grey" : "RGB"
        guard let height, let width else {
            let shorter = Int((Double(resolution) / 0.875).rounded(.up))
            return
                "\(colour); resize the shorter side to \(shorter) pixels (bilinear), then cut out the"
                + " central \(resolution) x \(resolution)"
        }
        return height == resolution && width == resolution
            ? "\(colour); pictures of \(width) x \(height) pixels as they are"
            : "\(colour); resize the whole picture of \(width) x \(height) pixels to \(resolution) x"
                + " \(resolution) (bilinear)"
    }
}
