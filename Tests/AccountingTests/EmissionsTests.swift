// Energy, water and carbon against hand computations.

import Accounting
import Metering
import Testing

@Suite struct EmissionsTests {
    @Test("0.2 kWh at 100 g and 0.3 kWh at 400 g are 140 g")
    func pieces() {
        #expect(abs(Emissions.grams([(0.2, 100), (0.3, 400)], pue: 1) - 140) < 1e-9)
    }

    @Test("10 kWh at PUE 1.5, WUE 1.8 and 400 g are 15 kWh, 18 L and 6,000 g")
    func facility() {
        #expect(abs(Emissions.facilityKWh(itKWh: 10, pue: 1.5) - 15) < 1e-9)
        #expect(abs(Emissions.litres(itKWh: 10, wue: 1.8) - 18) < 1e-9)
        #expect(abs(Emissions.grams([(10, 400)], pue: 1.5) - 6000) < 1e-9)
        #expect(Emissions.kilowattHours(microjoules: 3_600_000_000_000) == 1)
    }

    @Test(
        "0.1 kWh within half at PUE 1.3: 48.03 g, 22.85 to 76.68, in the box 16.50 to 99.54"
    )
    func intervals() {
        let factors = [
            Interval(value: 0.100, low: 0.05, high: 0.15),
            Interval(value: 1.3, low: 1.1, high: 1.58),
            Interval(value: 369.473, low: 300, high: 420),
        ]
        let quadrature = ProductInterval.logQuadrature(factors)
        #expect(abs(quadrature.value - 48.03) < 0.005)
        #expect(abs(quadrature.low - 22.85) < 0.005)
        #expect(abs(quadrature.high - 76.68) < 0.005)
        let box = ProductInterval.box(factors)
        #expect(abs(box.low - 16.50) < 0.005)
        #expect(abs(box.high - 99.54) < 0.005)
    }

    @Test("a product with a factor of zero is zero")
    func zero() {
        let product = ProductInterval.logQuadrature([
            Interval(exactly: 0), Interval(value: 1.3, low: 1, high: 2),
        ])
        #expect(product == Interval(exactly: 0))
    }
}
