// The workspace of a pass, computed before it runs: the outputs of every layer, the temporaries of
// each, and the gradients between layers.

import Tensors

/// Floats of workspace for passes over a network.
enum PassMemory {
    /// Whether the output of layer `index` is a map between two layers, as all before the pooling's
    /// input are.
    static func isEdge(_ shape: NetworkShape, _ index: Int) -> Bool {
        guard index + 1 < shape.placed.count else { return false }
        switch (shape.placed[index].layer, shape.placed[index + 1].layer) {
        case (.meanPooling, _), (.dense, _): return false
        case (.convolution, .meanPooling): return false
        default: return true
        }
    }

    /// The largest map between two layers, in floats.
    static func edgeFloats(_ shape: NetworkShape, images: Int) -> Int {
        var most = 0
        for (index, placed) in shape.placed.enumerated() where isEdge(shape, index) {
            most = max(most, placed.layer.outWidth * placed.layer.outSize * placed.layer.outSize)
        }
        return images * most
    }

    /// Floats of workspace for one pass, forward and, in training, backward.
    static func floats(_ shape: NetworkShape, images: Int, training: Bool) -> Int {
        let edge = Workspace.rounded(edgeFloats(shape, images: images))
        var needs = Needs(images: images, training: training)
        var most = 0, all = 0, tail = 0, backward = 0, headBackward = 0
        for (index, placed) in shape.placed.enumerated() {
            let layer = placed.layer
            needs.add(layer)
            let output = needs.map(layer.outSize, layer.outWidth)
            if isEdge(shape, index) {
                most = max(most, needs.forward)
                all += needs.forward + needs.written + output
                backward = max(backward, needs.backward)
            } else {
                tail += needs.forward + needs.written + output
                headBackward += needs.backward
            }
        }
        guard training else { return 3 * edge + max(most, tail) }
        return all + tail + 2 * edge + headBackward + backward
    }

    /// The workspace of one layer in floats.
    private struct Needs {
        let images: Int
        let training: Bool
        /// Forward, without its output; to materialise an input that is a sum; backward.
        var forward = 0, written = 0, backward = 0
        /// Whether the next layer applies its norm, and whether it adds its skip.
        private var leavesNorm = false, leavesPlus = false

        init(images: Int, training: Bool) {
            self.images = images
            self.training = training
        }

        func map(_ size: Int, _ width: Int) -> Int {
            Workspace.rounded(images * size * size * width)
        }

        mutating func add(_ layer: Layer) {
            let (hasNorm, hasPlus) = (leavesNorm, leavesPlus)
            (forward, written, backward, leavesPlus, leavesNorm) = (0, 0, 0, false, false)
            switch layer {
            case .convolution: leavesNorm = true
            case .residualConvolution(let conv):
                if hasPlus { written = map(conv.size, conv.width) }
                (leavesPlus, leavesNorm) = (true, true)
            case .invertedResidual(let block): add(block, hasPlus)
            case .bottleneck(let block): add(block, isWritten: hasNorm || hasPlus)
            case .maxPooling(let pooling):
                if hasPlus { written = map(pooling.inSize, pooling.width) }
            case .meanPooling(let pooling):
                if hasPlus { written = map(pooling.inSize, pooling.width) }
            case .dense(let dense):
                forward =
                    (dense.hasDropout && training ? map(1, dense.inWidth) : 0)
                    + (dense.activation == .identity ? 0 : map(1, dense.outWidth))
                backward = map(1, dense.inWidth)
            }
        }

        private mutating func add(_ block: Layer.InvertedResidual, _ hasPlus: Bool) {
            let filtered = map(block.outSize, block.middleWidth)
            let expanded = block.hasExpansion ? map(block.inSize, block.middleWidth) : 0
            forward = filtered + expanded
            backward = filtered + expanded
            if let hidden = block.seHidden {
                forward += 2 * map(1, block.middleWidth) + 2 * map(1, hidden)
                backward += map(1, 5 * block.middleWidth) + map(1, hidden)
            }
            if block.hasSkip && hasPlus { written = map(block.inSize, block.inWidth) }
            (leavesPlus, leavesNorm) = (block.hasSkip, true)
        }

        private mutating func add(_ block: Layer.Bottleneck, isWritten: Bool) {
            let reduced = map(block.inSize, block.middleWidth)
            let filtered = map(block.outSize, block.middleWidth)
            let output = map(block.outSize, block.outWidth)
            let pooled = block.stride > 1 ? map(block.outSize, block.inWidth) : 0
            forward = reduced + filtered + output
            if isWritten { forward += map(block.inSize, block.inWidth) }
            backward = reduced + filtered
            if block.hasDownsample {
                forward += pooled + output
                backward += pooled
            }
        }
    }
}

extension Network {
    /// Bytes of workspace for a pass over `images` images; a training pass without dropout takes
    /// slightly less.
    public static func workspaceBytes(_ shape: NetworkShape, images: Int, training: Bool) -> Int {
        4 * PassMemory.floats(shape, images: images, training: training)
    }
}
