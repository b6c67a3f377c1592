// Random views of pictures of any size for training: the published random resized crop, flip and
// colour jitter. Each picture has its own random stream, from which values are drawn in a fixed
// order.

import Foundation
import Tensors

extension Augmentation {
    /// Draws the view of a picture of `width` x `height` pixels for training at `size` x `size`.
    ///
    /// With `minArea` 1 the crop is not random: it is the crop of evaluation. Values are drawn in
    /// this order: crop, flip, brightness, saturation, and which of the last two is applied first.
    /// Settings that are off draw nothing, except the flip. `shift` and `cropStyle` have no effect
    /// here.
    public func view(
        width: Int, height: Int, size: Int, using stream: inout RandomStream
    ) -> PictureView {
        var view =
            minArea < 1
            ? randomBox(width: width, height: height, size: size, &stream)
            : .evaluation(width: width, height: height, size: size)
        view.isMirrored = stream.uniform() < 0.5 && flip
        func factor(_ share: Double) -> Float { 1 + (stream.uniform() * 2 - 1) * Float(share) }
        if brightness > 0 { view.brightness = factor(brightness) }
        if saturation > 0 { view.saturation = factor(saturation) }
        if brightness > 0 && saturation > 0 { view.isSaturationFirst = stream.uniform() < 0.5 }
        return view
    }

    /// Draws up to ten boxes and returns the first that fits. A box's share of the picture's area
    /// is uniform in [minArea, 1], its aspect ratio log-uniform in [1 / maxAspect, maxAspect]. If
    /// no box fits, returns the largest central box with an allowed aspect ratio.
    private func randomBox(
        width: Int, height: Int, size: Int, _ stream: inout RandomStream
    ) -> PictureView {
        func pixels(_ value: Double) -> Int {
            // Limited to 2^40, far above the size of any picture, so that the conversion never
            // traps.
            Int(min(value, 0x1p40).rounded(.toNearestOrEven))
        }
        let all = Double(width) * Double(height), widest = log(maxAspect)
        for _ in 0..<10 {
            let area = all * (minArea + (1 - minArea) * Double(stream.uniform()))
            let aspect = exp((Double(stream.uniform()) * 2 - 1) * widest)
            let columns = pixels((area * aspect).squareRoot())
            let rows = pixels((area / aspect).squareRoot())
            guard (1...width).contains(columns), (1...height).contains(rows) else { continue }
            let y = stream.below(height - rows + 1), x = stream.below(width - columns + 1)
            return .box(x: x, y: y, width: columns, height: rows, size: size)
        }
        let columns = min(width, max(1, pixels(Double(height) * maxAspect)))
        let rows = min(height, max(1, pixels(Double(width) * maxAspect)))
        return .box(
            x: (width - columns) / 2, y: (height - rows) / 2, width: columns, height: rows,
            size: size)
    }
}
