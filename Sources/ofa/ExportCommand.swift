// `ofa export`: writes a network to a file that other programs can read, and a model card beside the file.

import Accounting
import ArgumentParser
import Artifacts
import Foundation
import Pipelines
import Postgres

/// Writes a network as ONNX or safetensors.
struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Writes a network as ONNX or safetensors, with a model card beside it.",
        discussion: """
            An ONNX model has batch norms folded into its convolutions, takes any number of images, and its metadata \
            names classes, normalisation, accuracy and origin (ops/docs/files.md). The card is FILE.md. With --statement, \
            or OFA_SIGNING_KEY, FILE.intoto.json states how the network was made (ofa lineage attest).

            Example:
              ofa export phone-network --format onnx -o phone.onnx
              ofa export 12 --format onnx --normalise -o phone.onnx
              ofa export 12 --format onnx-int8 -o phone-int8.onnx
            """)

    /// The JSON answer.
    struct Answer: Encodable {
        let artifact: Int64
        let digest: Digest
        let format, file: String
        let bytes: Int
        let sha256: Digest
        let card, statement: String?
        let calibration_images, held_out_images, weight_bytes: Int?
        let rule: String?
        let held_out: Double?
    }

    /// The network.
    @OptionGroup var artifact: ArtifactArgument
    /// The file format.
    @Option(
        help: "onnx, onnx-int8 (eight bits, calibrated on training images) or safetensors.",
        completion: Word.completion(NetworkExport.Format.self),
        transform: Word.one(of: NetworkExport.Format.self))
    var format: NetworkExport.Format = .onnx
    /// Whether an ONNX model normalises pixels itself.
    @Flag(help: "ONNX only: the model takes bytes of pixels, 0 to 255, and normalises them itself.")
    var normalise = false
    /// Whether to write an in-toto statement beside the model.
    @Flag(help: "Also write FILE.intoto.json; implied if OFA_SIGNING_KEY, which signs it, is set.")
    var statement = false
    /// The file.
    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: "The file to write; - for standard output, without a card.", completion: .file())
    var file: String
    /// Whether to replace existing files.
    @OptionGroup var files: FileOptions
    /// The database.
    @OptionGroup var database: DatabaseOptions
    /// Whether to answer in JSON.
    @OptionGroup var output: OutputOptions

    mutating func validate() throws {
        if normalise, format == .safetensors {
            throw ValidationError(
                "--normalise is for ONNX: \(format.rawValue) holds weights only",
                remedy: "omit it, or give --format onnx")
        }
    }

    mutating func run() throws {
        let target = try OutputFile(file, files, output)
        let card =
            target.isWrittenInPlace ? nil : try OutputFile(file + ".md", files, output)
        let connection = try database.connectToExisting()
        let found = try ArtifactsCommand.find(artifact.reference, connection)
        // No stage made a user-supplied network, so a statement could not say how the network was made.
        let isImplied = try Environment.text("OFA_SIGNING_KEY") != nil && found.producer != nil
        let statementFile =
            target.isWrittenInPlace || !(statement || isImplied)
            ? nil : try OutputFile(file + ".intoto.json", files, output)
        let key = statementFile == nil ? nil : try StatementKey.configured()
        let cache = BlobCache(folder: DatabaseOptions.home + "/cache")
        let network = try StoredNetwork(found, connection, cache: cache)
        let quantised =
            format == .onnxInt8
            ? try NetworkQuantisation(
                of: network, connection, cache: cache, threads: HostRoom.machineThreads) : nil
        let bytes = try NetworkExport.bytes(
            of: network, format, normalises: normalise, quantised: quantised)
        let sum = Digest.of(bytes)
        let page = try card.map { _ in
            try ModelCard(
                network,
                file: ModelCard.File(
                    name: URL(filePath: file).lastPathComponent, format: format,
                    bytes: bytes.count, digest: sum, normalises: normalise, quantised: quantised),
                connection, factors: try FactorSet.load(connection)
            ).markdown
        }
        let stated = try statementFile.map { _ -> String in
            let statement = try Attestation.statement(
                found,
                exportedAs: Attestation.File(
                    name: URL(filePath: file).lastPathComponent, digest: sum), connection)
            return try key?.signed(statement) ?? statement
        }
        // All contents are ready before any file is written. The model's file appears last, so there is never a model
        // without its card.
        try target.write { write in
            try write(Data(bytes))
            if let card, let page { try card.write(page) }
            if let statementFile, let stated { try statementFile.write(stated + "\n") }
        }
        if target.isStandardOutput { return }
        let answer = Answer(
            artifact: found.id.rawValue, digest: found.digest, format: format.rawValue, file: file,
            bytes: bytes.count, sha256: sum, card: card?.path, statement: statementFile?.path,
            calibration_images: quantised?.calibrationImages,
            held_out_images: quantised?.heldOutImages,
            weight_bytes: quantised?.result.graph.weightBytes,
            rule: quantised.map { "\($0.result.rule)" }, held_out: quantised?.heldOutAccuracy)
        try Output.answer(answer, output) {
            try Output.line("\(file): \(Format.grouped(bytes.count)) bytes, sha256 \(sum.hex)")
            if let quantised { try say(quantised) }
            if let card { try Output.line("\(card.path): its model card") }
            if let statementFile { try Output.line("\(statementFile.path): how it was made") }
        }
    }

    private func say(_ quantised: NetworkQuantisation) throws {
        for trial in quantised.result.trials {
            let kept = trial.rule == quantised.result.rule ? ", kept" : ""
            try Output.line(
                "eight bits, ranges by \(trial.rule): \(Format.decimal(100 * trial.heldOutAccuracy, 2)) %"
                    + " on \(quantised.heldOutImages) held-out images\(kept)")
        }
    }
}
