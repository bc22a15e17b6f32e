"""Options of a network: defaults, checks and documentation in one place."""

from __future__ import annotations

from typing import Literal, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from andersonn.solvers import Anderson, ForwardIteration, Solver


class SolverConfig(BaseModel):
    """How fixed points are found: the choice among solvers that training offers. Defaults are those of the solver, so that
    there is one place for each number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: Literal["anderson", "forward"] = Field("anderson", description="Anderson extrapolation or Picard iteration")
    window: int = Field(cast("int", Anderson.window), ge=1, description="past differences that Anderson combines")
    mixing: float = Field(cast("float", Anderson.mixing), gt=0, le=1, description="β; 1 is undamped")
    rtol: float = Field(Anderson.rtol, gt=0, description="relative residual at which a sample has converged")
    max_steps: int = Field(Anderson.max_steps, ge=1, description="updates at most")

    def build(self) -> Solver:
        """The solver."""
        if self.name == "forward":
            return ForwardIteration(mixing=self.mixing, rtol=self.rtol, max_steps=self.max_steps)
        return Anderson(window=self.window, mixing=self.mixing, rtol=self.rtol, max_steps=self.max_steps)


class ModelConfig(BaseModel):
    """The network between graph image and prediction."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    cell: Literal["message", "convolution"] = Field("message", description="how the network reads the image")
    encoder: Literal["full", "lean"] = Field(
        "full",
        description="lean: no product of matrices at each pixel, functions of distance from a table in training too",
    )
    layers: int = Field(
        0,
        ge=0,
        description="0: the equilibrium; n: the cell applied n times; then initializer, adjoint_rtol and solver have no effect",
    )
    tied: bool = Field(True, description="whether all layers share one cell; false: each has its own")
    width: int = Field(128, ge=4, description="D, numbers in the state of a row (message) or of a pixel (convolution)")
    gain: float = Field(0.9, gt=0, description="bound on the norm of the cell's linear part")
    radial: int = Field(24, ge=4, description="Gaussians that expand a distance")
    spacing: Literal["even", "near"] = Field("even", description="of the Gaussians; near: sharpest at bond lengths")
    directions: int = Field(0, ge=0, description="channels of angles; needs image.positions")
    rounds: int = Field(
        0, ge=0, description="rounds of messages with directions before the equilibrium; needs model.directions"
    )
    head: Literal["pooled", "dipole"] = Field(
        "pooled", description="mean over atoms, or the length of a vector; dipole needs image.positions"
    )
    answer: Literal["classes", "distribution"] = Field(
        "classes",
        description="classes: scores of the classes, and quantiles apart; distribution: one distribution of the quantity, from "
        "which class, estimate and interval are read, so that thresholds can be moved after training",
    )
    bins: int = Field(48, ge=8, description="masses of the distribution; without effect for answer=classes")
    dropout: float = Field(0.3, ge=0, lt=1, description="in the head, while training")
    embedding_dropout: float = Field(0.25, ge=0, lt=1, description="of the learned part of an element, while training")
    voids: Literal["none", "density", "by_atom", "all"] = Field(
        "none", description="pore descriptors it reads: density, by_atom (free volume at each atom too), all"
    )
    filling: Literal["none", "whole", "by_atom"] = Field(
        "none",
        description="what it reads of how atoms fill a crystal, without a probe of pores: whole (densities, composition, "
        "coordination), by_atom (how near other atoms lie to each, too)",
    )
    oxidation: bool = Field(False, description="reads oxidation states that balance over the formula")
    electrons: bool = Field(
        False, description="counts the electrons of the formula unit; a total charge is not counted"
    )
    bonds: bool = Field(False, description="reads the bonds of a molecule, without a geometry")
    initializer: bool = Field(
        False, description="fit the solver's first state after training, so that it takes fewer evaluations"
    )
    adjoint_rtol: float = Field(1e-2, gt=0, description="tolerance of the backward pass's linear system")
    solver: SolverConfig = SolverConfig()

    @model_validator(mode="after")
    def _options_fit_each_other(self) -> ModelConfig:
        if self.encoder == "lean" and self.cell != "message":
            raise ValueError(f"model.encoder=lean is for model.cell=message, not {self.cell}")
        if self.rounds and not self.directions:
            raise ValueError("model.rounds needs model.directions=1 or more")
        if not self.tied and self.layers < 2:
            raise ValueError(f"model.tied=false needs model.layers=2 or more, not {self.layers}")
        return self

    def scores_for(self, n_classes: int) -> int:
        """How many scores a network of so many classes gives."""
        return n_classes if self.answer == "classes" else self.bins
