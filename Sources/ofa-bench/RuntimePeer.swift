// ONNX Runtime as a peer of inference: a process that stays, so that its passes can alternate with ours in short turns.
import Foundation

/// A Python process that runs passes of one ONNX model on request.
final class RuntimePeer {
    private let process = Process()
    private let requests = Pipe(), answers = Pipe()
    private let folder: URL
    private var rest: [UInt8] = []

    /// Reads a number of passes from each line of standard input, and answers with the milliseconds of each pass. The
    /// number 0 asks for the logits of the last pass.
    private static let script = """
        import sys, time, json
        import numpy as np, onnxruntime as ort
        folder, threads, shape = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_free_dimension_override_by_name("N", shape[0])
        session = ort.InferenceSession(folder + "/model.onnx", options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        x = np.fromfile(folder + "/images.f32", dtype=np.float32).reshape(shape)
        y = session.run(None, {name: x})[0]
        print(json.dumps([ort.__version__]), flush=True)
        for line in sys.stdin:
            times = []
            for _ in range(int(line)):
                start = time.perf_counter()
                y = session.run(None, {name: x})[0]
                times.append((time.perf_counter() - start) * 1e3)
            print(json.dumps(times or y.astype(float).ravel().tolist()), flush=True)
        """

    /// The peer's name and version.
    private(set) var name = "onnxruntime"

    /// Starts the process with `model`, the bytes of an ONNX file, and `images` of `shape` (images, channels, height,
    /// width). The interpreter is that of OFA_PEER_PYTHON, or python3.
    init(model: [UInt8], images: [Float], shape: [Int], threads: Int) throws {
        folder = FileManager.default.temporaryDirectory.appending(
            path: "ofa-runtime-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data(model).write(to: folder.appending(path: "model.onnx"))
        let bytes = images.flatMap { value in
            (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
        }
        try Data(bytes).write(to: folder.appending(path: "images.f32"))
        let python = ProcessInfo.processInfo.environment["OFA_PEER_PYTHON"] ?? ""
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            python.isEmpty ? "python3" : python, "-c", Self.script, folder.path, "\(threads)",
            "\(shape)",
        ]
        process.standardInput = requests
        process.standardOutput = answers
        try process.run()
        let version: [String] = try answer()
        name += " \(version.first ?? "")"
    }

    /// Returns the milliseconds of each of `runs` passes.
    func milliseconds(runs: Int) throws -> [Double] { try ask(runs) }

    /// Returns the logits of the last pass.
    func logits() throws -> [Double] { try ask(0) }

    private func ask(_ number: Int) throws -> [Double] {
        try requests.fileHandleForWriting.write(contentsOf: Data("\(number)\n".utf8))
        return try answer()
    }

    /// Reads one line.
    private func answer<Value: Decodable>() throws -> Value {
        while true {
            if let end = rest.firstIndex(of: 10) {
                defer { rest.removeFirst(end + 1) }
                return try JSONDecoder().decode(Value.self, from: Data(rest[..<end]))
            }
            let more = answers.fileHandleForReading.availableData
            guard !more.isEmpty else {
                throw BenchError(
                    "the peer ended: OFA_PEER_PYTHON must name a Python with onnxruntime and numpy")
            }
            rest += more
        }
    }

    /// Ends the process and removes its files.
    func stop() throws {
        try requests.fileHandleForWriting.close()
        process.waitUntilExit()
        try FileManager.default.removeItem(at: folder)
    }
}
