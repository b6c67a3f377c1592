// The ladder of `ofa-bench kernels`: every hot operator is on it.
import Tensors
import Testing

@testable import ofa_bench

@Suite struct KernelLadderTests {
    @Test("every shape names its operators once and has a rate for each")
    func shapes() throws {
        let set = try #require(InstructionSet.available.last)
        let ladder = try KernelLadder(set, images: 1, runs: 1)
        let found = KernelLadder.shapes.flatMap(ladder.measure)
        #expect(found.allSatisfy { $0.rate.isFinite && $0.rate > 0 && $0.ms > 0 })
        #expect(Set(found.map(\.name)).count == found.count)
        let operators = Set(
            found.map { $0.name.split(separator: " ").first.map(String.init) ?? "" })
        #expect(
            operators == [
                "convolution", "convolutionGradient", "pointwise", "pointwiseGradient",
                "depthwise", "depthwiseGradient", "dense", "denseGradient", "affine", "mean",
                "gradientSums", "activate", "activateGradient", "crossEntropy", "areFinite",
                "squaredNorm", "sgd", "expandDepthwise", "expand", "sum",
            ])
        let slow = found.filter { $0.unit == "GB/s" }.map(\.name)
        #expect(slow.contains { $0.hasPrefix("sgd") } && !slow.contains { $0.hasPrefix("dense") })
    }
}
